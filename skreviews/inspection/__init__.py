"""Reports on fitted models, and their pictures."""

from skreviews.inspection._calibration import CalibrationDisplay
from skreviews.inspection._confusion import RatingConfusionDisplay
from skreviews.inspection._distribution import RatingDistributionDisplay
from skreviews.inspection._evaluate import evaluate
from skreviews.inspection._report import ReviewReport
from skreviews.inspection._training import TrainingDisplay

__all__ = [
    "CalibrationDisplay",
    "RatingConfusionDisplay",
    "RatingDistributionDisplay",
    "ReviewReport",
    "TrainingDisplay",
    "evaluate",
]
