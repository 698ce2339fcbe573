"""From pictures to digits, with the champion and without its registry.

Importing this is quick: OpenCV, scikit-learn and skops come with the first prediction,
Prefect, MLflow and matplotlib never.
"""

from digitflow.predict.predictions import Prediction, Unread
from digitflow.predict.predictor import Predictor, find_champion, predict_files

__all__ = ["Prediction", "Predictor", "Unread", "find_champion", "predict_files"]
