"""What fitted models do with texts: reports, explanations, pictures."""

from skreviews.inspection._calibration import CalibrationDisplay
from skreviews.inspection._confusion import RatingConfusionDisplay
from skreviews.inspection._distribution import RatingDistributionDisplay
from skreviews.inspection._drift import DriftReport, drift_report
from skreviews.inspection._evaluate import evaluate
from skreviews.inspection._explain import Explanation, explain
from skreviews.inspection._label_report import label_report
from skreviews.inspection._report import ReviewReport
from skreviews.inspection._training import TrainingDisplay

__all__ = [
    "CalibrationDisplay",
    "DriftReport",
    "Explanation",
    "RatingConfusionDisplay",
    "RatingDistributionDisplay",
    "ReviewReport",
    "TrainingDisplay",
    "drift_report",
    "evaluate",
    "explain",
    "label_report",
]
