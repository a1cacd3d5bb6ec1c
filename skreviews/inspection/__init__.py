"""Inspection of fitted models: reports, explanations, displays."""

from skreviews.inspection._calibration_display import CalibrationDisplay
from skreviews.inspection._drift_report import DriftReport, drift_report
from skreviews.inspection._evaluate import evaluate
from skreviews.inspection._explain import explain
from skreviews.inspection._explanation import Explanation
from skreviews.inspection._label_report import label_report
from skreviews.inspection._rating_confusion_display import RatingConfusionDisplay
from skreviews.inspection._rating_distribution_display import RatingDistributionDisplay
from skreviews.inspection._review_report import ReviewReport
from skreviews.inspection._training_display import TrainingDisplay

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
