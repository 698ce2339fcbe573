"""What was predicted, what people said of it, and what was learnt from that.

Predictions, corrections and the monitor's inspections are tables of one database: SQLite in
the store, or where `DIGITFLOW_DATABASE_URL` says. Nothing in it is ever changed; only old
predictions are forgotten, where somebody asks for it.
"""

from digitflow.feedback.corrections import Corrected as Corrected
from digitflow.feedback.corrections import Correction as Correction
from digitflow.feedback.corrections import Role as Role
from digitflow.feedback.corrections import add_corrections as add_corrections
from digitflow.feedback.corrections import choose_role as choose_role
from digitflow.feedback.corrections import list_conflicts as list_conflicts
from digitflow.feedback.corrections import list_corrections as list_corrections
from digitflow.feedback.corrections import read_corrected as read_corrected
from digitflow.feedback.forgetting import forget_predictions as forget_predictions
from digitflow.feedback.learning import Lesson as Lesson
from digitflow.feedback.learning import add_lesson as add_lesson
from digitflow.feedback.learning import count_new as count_new
from digitflow.feedback.learning import digest_all as digest_all
from digitflow.feedback.learning import find_others as find_others
from digitflow.feedback.learning import join_corrections as join_corrections
from digitflow.feedback.learning import list_lessons as list_lessons
from digitflow.feedback.learning import to_images as to_images
from digitflow.feedback.pictures import digest_picture as digest_picture
from digitflow.feedback.pictures import find_picture as find_picture
from digitflow.feedback.pictures import read_pictures as read_pictures
from digitflow.feedback.predictions import PredictionLog as PredictionLog
from digitflow.feedback.predictions import Recent as Recent
from digitflow.feedback.predictions import count_by_day as count_by_day
from digitflow.feedback.predictions import read_recent as read_recent
