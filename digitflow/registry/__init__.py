"""Registered versions, who is champion, and what was decided.

The history says who is champion. MLflow's aliases and the pointer file (see `champions`)
follow it; whoever finds them behind mends them.
"""

from digitflow.champions import Champion as Champion
from digitflow.history import Entry as Entry
from digitflow.history import Judgement as Judgement
from digitflow.registry.changing import attach_report as attach_report
from digitflow.registry.changing import promote as promote
from digitflow.registry.changing import record_judgement as record_judgement
from digitflow.registry.changing import record_score as record_score
from digitflow.registry.changing import register as register
from digitflow.registry.differing import diff_versions as diff_versions
from digitflow.registry.following import initialise as initialise
from digitflow.registry.following import is_missing as is_missing
from digitflow.registry.following import mend as mend
from digitflow.registry.following import read_champion as read_champion
from digitflow.registry.freeing import free_versions as free_versions
from digitflow.registry.listing import choose_model as choose_model
from digitflow.registry.listing import count_looks as count_looks
from digitflow.registry.listing import is_repeated as is_repeated
from digitflow.registry.listing import list_history as list_history
from digitflow.registry.listing import list_judgements as list_judgements
from digitflow.registry.listing import list_models as list_models
from digitflow.registry.listing import list_versions as list_versions
from digitflow.registry.listing import read_release as read_release
from digitflow.registry.returning import rollback as rollback
from digitflow.versions import SIGNATURE as SIGNATURE
from digitflow.versions import Facts as Facts
from digitflow.versions import Registration as Registration
from digitflow.versions import Version as Version
