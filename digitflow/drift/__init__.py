"""Does what is predicted still look like what the model learnt from?

By effect sizes, never by p-values: with enough images any difference is significant. How
large an effect must be is calibrated on the model's own reference data.
"""

from digitflow.drift.limits import Limits as Limits
from digitflow.drift.limits import calibrate_limits as calibrate_limits
from digitflow.drift.measuring import MEASURES as MEASURES
from digitflow.drift.reference import COLUMNS as COLUMNS
from digitflow.drift.reference import record_reference as record_reference
from digitflow.drift.window import Finding as Finding
from digitflow.drift.window import Inspection as Inspection
from digitflow.drift.window import Window as Window
from digitflow.drift.window import inspect_window as inspect_window
