"""Check raw digits; bad rows go to a quarantine file."""

import csv
import io
from collections import Counter

from digitflow.config.data import ValidationRules
from digitflow.data.sets import CheckedSets, Digits, ImageSet, RawSets, open_set, store_set
from digitflow.data.validation import CheckedDigits, check_digits, check_feedback
from digitflow.store.references import FileRef
from tasks.caching import cached_task
from tasks.context import current_run


@cached_task(run_name="validate")
def validate_digits(raw: RawSets, rules: ValidationRules) -> CheckedSets:
    """Return the usable rows; stop the run when too many are bad or a class is missing."""
    store = current_run().store
    test = None if raw.test is None else open_set(store, raw.test)
    checked = check_digits(Digits(open_set(store, raw.train), test, raw.origin), rules)
    images = checked.quarantined
    return CheckedSets(
        train=store_set(store, checked.train),
        test=None if checked.test is None else store_set(store, checked.test),
        problems=dict(Counter(f"{p.split}: {p.reason}" for p in checked.problems)),
        notes=checked.notes,
        quarantine=_store_quarantine(checked),
        quarantined_images=None if images is None else store.put_array(images),
    )


@cached_task(run_name="validate feedback")
def validate_feedback(raw: RawSets) -> ImageSet:
    """Return the corrections that can be used; one that can't is named in a warning."""
    store = current_run().store
    return store_set(store, check_feedback(open_set(store, raw.train)))


def _store_quarantine(checked: CheckedDigits) -> FileRef | None:
    if not checked.problems:
        return None
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["split", "row", "label", "reason"])
    writer.writerows([p.split, p.row, p.label, p.reason] for p in checked.problems)
    return current_run().store.put_bytes(text.getvalue().encode(), "quarantine", ".csv")
