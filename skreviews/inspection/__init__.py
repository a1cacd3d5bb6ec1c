"""Pictures of fitted models."""

from skreviews.inspection._training import TrainingDisplay

__all__ = ["TrainingDisplay"]
