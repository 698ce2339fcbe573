"""MLflow, spoken to in one place: opening it, and our records as its runs and versions.

MLflow is imported when it must be asked; that takes a second.
"""

from digitflow.tracking.client import DATABASE as DATABASE
from digitflow.tracking.client import TRACKING_VARIABLE as TRACKING_VARIABLE
from digitflow.tracking.client import is_missing as is_missing
from digitflow.tracking.client import is_remote as is_remote
from digitflow.tracking.client import open_client as open_client
from digitflow.tracking.files import download_file as download_file
from digitflow.tracking.files import list_sizes as list_sizes
from digitflow.tracking.files import put_files as put_files
from digitflow.tracking.registered import CHALLENGER as CHALLENGER
from digitflow.tracking.registered import CHAMPION as CHAMPION
from digitflow.tracking.registered import PREVIOUS as PREVIOUS
from digitflow.tracking.registered import create_version as create_version
from digitflow.tracking.registered import delete_run as delete_run
from digitflow.tracking.registered import delete_version as delete_version
from digitflow.tracking.registered import find_alias as find_alias
from digitflow.tracking.registered import find_by_digest as find_by_digest
from digitflow.tracking.registered import find_registered as find_registered
from digitflow.tracking.registered import find_version as find_version
from digitflow.tracking.registered import list_registered as list_registered
from digitflow.tracking.registered import list_runs as list_runs
from digitflow.tracking.registered import list_versions as list_versions
from digitflow.tracking.registered import set_alias as set_alias
from digitflow.tracking.registered import update_version as update_version
