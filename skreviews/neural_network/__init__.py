"""The LSTM and the classifier around it."""

from skreviews.neural_network._lstm_classifier import LSTMClassifier
from skreviews.neural_network._lstm_module import LSTMModule
from skreviews.neural_network._recipe import Recipe

__all__ = ["LSTMClassifier", "LSTMModule", "Recipe"]
