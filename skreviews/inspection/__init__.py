"""Pictures of fitted models, and reports on what they do with texts."""

from skreviews.inspection._drift import DriftReport, drift_report
from skreviews.inspection._explain import Explanation, explain
from skreviews.inspection._label_report import label_report
from skreviews.inspection._training import TrainingDisplay

__all__ = [
    "DriftReport",
    "Explanation",
    "TrainingDisplay",
    "drift_report",
    "explain",
    "label_report",
]
