"""Who became champion when, by whom, why and by which verdict; and every judgement.

Nothing in it is ever changed, and it is the truth of the registry. Each entry names the one
it follows, and the database takes one follower only: promotion is compare-and-swap even
where locks between processes fail.
"""

from digitflow.history.database import HISTORY as HISTORY
from digitflow.history.entries import Entry as Entry
from digitflow.history.entries import Judgement as Judgement
from digitflow.history.entries import Kind as Kind
from digitflow.history.entries import add_judgement as add_judgement
from digitflow.history.entries import adopt_champions as adopt_champions
from digitflow.history.entries import append_entry as append_entry
from digitflow.history.entries import is_repeated as is_repeated
from digitflow.history.entries import list_challengers as list_challengers
from digitflow.history.entries import list_entries as list_entries
from digitflow.history.entries import list_judgements as list_judgements
from digitflow.history.entries import list_models as list_models
from digitflow.history.entries import read_last as read_last
