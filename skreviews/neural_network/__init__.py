"""The LSTM and the classifier around it."""

from skreviews.neural_network._classifier import LSTMClassifier
from skreviews.neural_network._language_model import LanguageModel
from skreviews.neural_network._module import LSTMModule

__all__ = ["LSTMClassifier", "LSTMModule", "LanguageModel"]
