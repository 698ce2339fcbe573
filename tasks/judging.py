"""From a challenger to a champion: evidence, verdict, registry; then the champion at work."""

from digitflow.evaluation import robustness, scoring
from digitflow.models import golden
from digitflow.monitoring import drift, window
from digitflow.registry import champion, history, judging, promotion
from digitflow.reports import monitoring
from tasks.wiring import cached_task, plain_task

score_on_test = cached_task(scoring.score_on_test, run_name="score", in_process=True)
score_altered = cached_task(
    robustness.score_altered, run_name="read altered test images", in_process=True
)
check_loading = cached_task(golden.check_golden, run_name="load in a fresh process")
# Of a machine nothing is kept: another time it is less busy, or another machine.
measure_costs = plain_task(scoring.measure_costs, run_name="measure costs", in_process=True)

check_test_samples = plain_task(
    judging.check_test_samples, run_name="look at the champion's test samples"
)
find_champion = plain_task(champion.read_champion, run_name="find the champion")
judge_challenger = plain_task(judging.judge_challenger, run_name="gate")
register_challenger = plain_task(judging.register_challenger, run_name="register")
promote_challenger = plain_task(promotion.promote, run_name="promote")
keep_champion = plain_task(judging.keep_champion, run_name="keep the champion")
is_repeated = plain_task(history.is_repeated, run_name="look for the same verdict")

# What was predicted lately, compared with what the champion learnt from.
collect_window = plain_task(
    window.collect_window, run_name="look at predictions of version {version}"
)
calibrate_limits = cached_task(
    drift.calibrate_limits, run_name="calibrate limits for {size} samples", in_process=True
)
compare_window = cached_task(window.compare_window, run_name="compare with the reference")
keep_report = plain_task(monitoring.write_report, run_name="keep the report")
