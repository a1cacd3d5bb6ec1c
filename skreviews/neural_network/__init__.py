"""The LSTM and the classifier around it."""

from skreviews.neural_network._language_model import LanguageModel
from skreviews.neural_network._lstm_classifier import LSTMClassifier
from skreviews.neural_network._lstm_module import LSTMModule

__all__ = ["LSTMClassifier", "LSTMModule", "LanguageModel"]
