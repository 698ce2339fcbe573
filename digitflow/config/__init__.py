"""The configuration files, as frozen models: every number a user may want to change.

A wrong key or value is one `InputError` that names the file, the place and what fits.
Others import from here: a config enters a key of the cache by the values that a task uses,
never by this package's source.
"""

from digitflow.config.data import AlbumentationsAugmentation as AlbumentationsAugmentation
from digitflow.config.data import Augmentation as Augmentation
from digitflow.config.data import BuiltinSource as BuiltinSource
from digitflow.config.data import Direction as Direction
from digitflow.config.data import ImagesSource as ImagesSource
from digitflow.config.data import KerasAugmentation as KerasAugmentation
from digitflow.config.data import MnistSource as MnistSource
from digitflow.config.data import OpencvAugmentation as OpencvAugmentation
from digitflow.config.data import ShiftAugmentation as ShiftAugmentation
from digitflow.config.data import Source as Source
from digitflow.config.data import SplitShares as SplitShares
from digitflow.config.data import TableSource as TableSource
from digitflow.config.data import ValidationRules as ValidationRules
from digitflow.config.feedback import FeedbackRule as FeedbackRule
from digitflow.config.feedback import MonitoringRule as MonitoringRule
from digitflow.config.gate import CHECKS as CHECKS
from digitflow.config.gate import Approval as Approval
from digitflow.config.gate import BetterLimits as BetterLimits
from digitflow.config.gate import BudgetLimits as BudgetLimits
from digitflow.config.gate import CalibrationLimits as CalibrationLimits
from digitflow.config.gate import CheckName as CheckName
from digitflow.config.gate import FloorLimits as FloorLimits
from digitflow.config.gate import GateLimits as GateLimits
from digitflow.config.gate import RobustnessLimits as RobustnessLimits
from digitflow.config.gate import SliceLimits as SliceLimits
from digitflow.config.reading import load_config as load_config
from digitflow.config.reading import load_section as load_section
from digitflow.config.reading import parse_config as parse_config
from digitflow.config.reading import parse_yaml as parse_yaml
from digitflow.config.section import Section as Section
from digitflow.config.study import StudySettings as StudySettings
from digitflow.config.training import Calibration as Calibration
from digitflow.config.training import Candidate as Candidate
from digitflow.config.training import DoubtRule as DoubtRule
from digitflow.config.training import TrainConfig as TrainConfig
from digitflow.config.training import TrainingBudget as TrainingBudget
from digitflow.config.training import default_candidates as default_candidates
