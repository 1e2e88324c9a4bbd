import math

import numpy as np
import pytest

from teachrl.studies.analysis import analyse
from teachrl.studies.intervals import paired_interval, sign_flip_test
from teachrl.studies.outcomes import Declared, Outcome, Variant

RNG = np.random.default_rng(8)
NOISE = RNG.normal(0, 0.02, (6, 12))


def variant(arm, role="arm", cell=None):
    cell = cell or {}
    where = "".join(f", {k} {v}" for k, v in cell.items())
    return Variant(f"{arm}{'' if role == 'arm' else ' ' + role}{where}", arm, role, cell, {})


def declared(variants, contrasts, seeds=12, metric="mastered", control="uniform"):
    return Declared("a study", "Which?", variants, control, metric, contrasts, list(range(seeds)))


def ended(label, values, metric="mastered", seeds=None):
    """Outcomes of a variant: a value is a run that ended with it, None one that did not."""
    return [
        Outcome(f"{label}-{seed}", label, seed, "failed" if value is None else "finished",
                final={} if value is None else {metric: value, "mean_return": 1.0})
        for seed, value in zip(seeds or range(len(values)), values, strict=True)
    ]  # fmt: skip


TWO = [variant("uniform"), variant("alp-gmm")]
PAIR = [("alp-gmm", "uniform")]


def test_a_winner_is_named_with_its_numbers():
    first, second = 0.40 + NOISE[0], 0.30 + NOISE[1]
    found = analyse(declared(TWO, PAIR), ended("uniform", second) + ended("alp-gmm", first))
    (contrast,) = found.contrasts
    gaps = first - second
    low, high = paired_interval(gaps)
    assert (contrast.difference.value, contrast.difference.n) == (pytest.approx(gaps.mean()), 12)
    assert (contrast.difference.low, contrast.difference.high) == (pytest.approx(low), pytest.approx(high))
    assert contrast.p == contrast.p_holm == sign_flip_test(gaps)
    assert contrast.improvement.value == pytest.approx(np.mean(first[:, None] > second))
    assert contrast.pairing.correlation == pytest.approx(np.corrcoef(first, second)[0, 1])
    assert contrast.verdict == "alp-gmm is better than uniform"
    assert found.verdict == (
        f"alp-gmm masters {100 * gaps.mean():.1f} points more than uniform [{100 * low:.1f}, {100 * high:.1f}], "
        "p < 0.001: alp-gmm is better."
    )
    assert (found.metric, found.exploratory, found.missing, found.splits) == ("mastered", False, 0, [])


def test_a_control_that_is_better_is_said_to_be():
    outcomes = ended("uniform", 0.4 + NOISE[0], "success_rate") + ended("alp-gmm", 0.3 + NOISE[1], "success_rate")
    found = analyse(declared(TWO, PAIR, metric="success_rate"), outcomes)
    assert found.contrasts[0].verdict == "uniform is better than alp-gmm"
    gap = found.contrasts[0].difference
    assert gap.value < 0
    expected = f"uniform succeeds {-100 * gap.value:.1f} points more often than alp-gmm [{-100 * gap.high:.1f}, "
    assert found.verdict.startswith(expected)
    assert found.verdict.endswith("uniform is better.")


def test_other_metrics_are_told_in_their_own_unit():
    tag = "train/mastered"
    found = analyse(
        declared(TWO, PAIR, metric=tag),
        ended("uniform", 100 + NOISE[0], tag) + ended("alp-gmm", 112.4 + NOISE[1], tag),
    )
    assert found.verdict.startswith("train/mastered of alp-gmm is 12.4 higher than of uniform [12.4, 12.")


def test_no_difference_is_not_a_proof_of_none():
    values = 0.3 + NOISE[0]
    outcomes = ended("uniform", values) + ended("alp-gmm", values + 5 * NOISE[1])
    found = analyse(declared(TWO, PAIR), outcomes)
    assert found.contrasts[0].verdict == "no difference was shown"
    gap = found.contrasts[0].difference
    assert found.verdict.startswith(
        f"No difference was shown between alp-gmm and uniform: alp-gmm minus uniform is {100 * gap.value:.1f} points ["
    )
    assert "better" not in found.verdict


def test_fewer_than_ten_common_seeds_are_exploratory_however_large_the_difference():
    outcomes = ended("uniform", [0.1 + x for x in NOISE[0]]) + ended(
        "alp-gmm", [*(0.9 + NOISE[1][:9]), None, None, None]
    )
    found = analyse(declared(TWO, PAIR), outcomes)
    (contrast,) = found.contrasts
    assert found.exploratory
    assert (contrast.difference.n, found.missing) == (9, 3)
    assert contrast.p_holm < 0.05
    assert contrast.verdict == "exploratory: 9 seeds, no winner is named"
    assert found.verdict.startswith("Exploratory, 9 seeds: alp-gmm minus uniform is ")
    assert found.verdict.endswith("Fewer than 10 seeds name no winner.")
    assert "better" not in found.verdict
    ten = analyse(declared(TWO, PAIR), outcomes[:12] + ended("alp-gmm", 0.9 + NOISE[1][:10]))
    assert not ten.exploratory
    assert ten.contrasts[0].verdict == "alp-gmm is better than uniform"


def test_only_seeds_at_which_both_ended_count():
    outcomes = ended("uniform", [0.1, None, 0.3, 0.4]) + ended("alp-gmm", [0.2, 0.9, None, 0.6])
    (contrast,) = analyse(declared(TWO, PAIR, seeds=4), outcomes).contrasts
    assert contrast.difference.value == pytest.approx((0.1 + 0.2) / 2)
    assert contrast.difference.n == contrast.improvement.n == 2


def test_holm_counts_every_declared_contrast_in_every_cell():
    cells = [{"rate": 1}, {"rate": 2}]
    variants = [variant(arm, cell=cell) for cell in cells for arm in ("uniform", "alp-gmm", "riac")]
    contrasts = [("alp-gmm", "uniform"), ("riac", "uniform")]
    # One of the four contrasts would be shown if it were the only one, the others never.
    small = np.where(np.arange(12) < 10, 1, -1) * np.linspace(0.02, 0.01, 12)
    outcomes = []
    for k, v in enumerate(variants):
        outcomes += ended(v.label, 0.5 + (small - 0.004 if k == 1 else NOISE[k] if k in (2, 4, 5) else 0 * small))
    found = analyse(declared(variants, contrasts), outcomes)
    assert [(c.variant, c.other) for c in found.contrasts] == [
        ("alp-gmm, rate 1", "uniform, rate 1"), ("riac, rate 1", "uniform, rate 1"),
        ("alp-gmm, rate 2", "uniform, rate 2"), ("riac, rate 2", "uniform, rate 2"),
    ]  # fmt: skip
    assert [c.cell for c in found.contrasts] == [cells[0], cells[0], cells[1], cells[1]]
    first = found.contrasts[0]
    assert 0.0125 < first.p <= 0.05 < first.p_holm == pytest.approx(4 * first.p)
    assert first.difference.low > 0
    assert first.verdict == "no difference was shown"
    assert len(found.verdict.splitlines()) == 4
    assert f"p = {first.p:.3f}, {first.p_holm:.2f} after Holm's correction." in found.verdict.splitlines()[0]
    alone = analyse(declared(variants[:2], contrasts[:1]), outcomes)
    assert alone.contrasts[0].verdict == "alp-gmm, rate 1 is better than uniform, rate 1"


def test_the_verdict_speaks_of_declared_contrasts_only():
    variants = [*TWO, variant("riac"), variant("alp-gmm", "yoked")]
    outcomes = [o for k, v in enumerate(variants) for o in ended(v.label, 0.2 * k + NOISE[k])]
    found = analyse(declared(variants, PAIR), outcomes)
    assert len(found.summaries) == 4
    assert "riac" not in found.verdict
    assert "yoked" not in found.verdict


# The causal split


CAUSAL = [variant("uniform"), variant("alp-gmm"), *(variant("alp-gmm", role) for role in ("shuffled", "yoked"))]


def test_the_parts_of_a_gain_add_up_over_the_seeds_that_all_four_ended():
    values = {v.label: list(0.2 + 0.1 * k + NOISE[k]) for k, v in enumerate(CAUSAL)}
    values["uniform"][0] = values["alp-gmm yoked"][3] = None
    extra = [variant("uniform", "target"), variant("riac")]  # no shuffled or yoked of these
    outcomes = [o for label, v in values.items() for o in ended(label, v)] + ended("riac", NOISE[4])
    (split,) = analyse(declared(CAUSAL + extra, PAIR), outcomes).splits
    kept = [s for s in range(12) if s not in (0, 3)]
    uniform, own, shuffled, yoked = (np.array([values[v.label][s] for s in kept]) for v in CAUSAL)
    for estimate, gaps in (
        (split.gain, own - uniform), (split.tasks, shuffled - uniform), (split.order, yoked - shuffled),
        (split.adaptivity, own - yoked),
    ):  # fmt: skip
        low, high = paired_interval(gaps)
        assert (estimate.value, estimate.n) == (pytest.approx(gaps.mean()), 10)
        assert (estimate.low, estimate.high) == (pytest.approx(low), pytest.approx(high))
    assert split.gain.value == pytest.approx(split.tasks.value + split.order.value + split.adaptivity.value)
    assert (split.variant, split.cell) == ("alp-gmm", {})


def test_a_split_is_made_cell_by_cell():
    cells = [{"rate": 1}, {"rate": 2}]
    variants = [
        variant(arm, role, cell)
        for cell in cells
        for arm, role in (("uniform", "arm"), ("alp-gmm", "arm"), ("alp-gmm", "shuffled"), ("alp-gmm", "yoked"))
    ]
    outcomes = [o for k, v in enumerate(variants) for o in ended(v.label, [0.1 * k, 0.1 * k])]
    splits = analyse(declared(variants, PAIR), outcomes).splits
    assert [s.cell for s in splits] == cells
    for split in splits:
        parts = (split.tasks, split.order, split.adaptivity, split.gain)
        assert [round(part.value, 9) for part in parts] == [0.2, 0.1, -0.2, 0.1]


# What is missing


def test_a_study_of_which_nothing_ended():
    waiting = [Outcome("k", v.label, seed, "waiting") for v in CAUSAL for seed in range(12)]
    for outcomes in ([], waiting):
        found = analyse(declared(CAUSAL, PAIR), outcomes)
        assert (found.summaries, found.missing, found.exploratory) == ([], 48, True)
        (contrast,), (split,) = found.contrasts, found.splits
        assert (contrast.difference.n, contrast.improvement.n, split.gain.n) == (0, 0, 0)
        assert math.isnan(contrast.p)
        assert math.isnan(contrast.p_holm)
        assert math.isnan(split.order.value)
        assert contrast.verdict == "no seed at which both ended"
        assert found.verdict == "Nothing can be said of alp-gmm and uniform yet: no seed at which both ended."


def test_one_seed_has_a_difference_without_an_interval():
    found = analyse(declared(TWO, PAIR, seeds=1), ended("uniform", [0.25]) + ended("alp-gmm", [0.5]))
    (contrast,) = found.contrasts
    assert contrast.difference.value == 0.25
    assert math.isnan(contrast.difference.low)
    assert found.verdict == (
        "Exploratory, 1 seed: alp-gmm minus uniform is 25.0 points, without an interval. Fewer than 10 seeds name no "
        "winner."
    )


def test_runs_without_the_metric_are_missing():
    outcomes = ended("uniform", NOISE[0]) + ended("alp-gmm", NOISE[1], "success_rate")
    found = analyse(declared(TWO, PAIR), outcomes)
    assert [s.variant for s in found.summaries] == ["uniform"]
    assert found.missing == 12
    outcomes = ended("uniform", NOISE[0]) + ended("alp-gmm", [math.nan, *NOISE[1][1:]])
    found = analyse(declared(TWO, PAIR), outcomes)
    assert (found.missing, found.contrasts[0].difference.n) == (1, 11)


def test_a_metric_that_no_run_has_is_said_to_be_the_reason():
    found = analyse(declared(TWO, PAIR, metric="success_rate"), ended("uniform", NOISE[0]) + ended("alp-gmm", NOISE[1]))
    assert found.verdict.startswith("No trial that ended has the metric success_rate; what they have is mastered, mean")
    assert found.contrasts[0].difference.n == 0


def test_shipped_results_count_and_undeclared_ones_do_not():
    shipped = [Outcome("s", "uniform", 0, "shipped", final={"mastered": 0.5})]
    stopped = [Outcome("t", "uniform", 1, "stopped", final={"mastered": 0.7})]
    strange = ended("another", [0.9]) + ended("uniform", [0.9], seeds=[77])
    found = analyse(declared(TWO, PAIR, seeds=2), shipped + stopped + strange)
    assert [s.values for s in found.summaries] == [{0: 0.5}]
    assert found.missing == 3


def test_a_study_without_contrasts():
    shares = 0.5 + NOISE[0]
    found = analyse(declared(TWO[:1], []), ended("uniform", shares))
    assert (found.contrasts, found.verdict, found.exploratory) == ([], "No contrast was declared.", False)
    (summary,) = found.summaries
    assert list(summary.values) == list(range(12))
    assert summary.mean.value == pytest.approx(shares.mean())
    assert summary.median.value == pytest.approx(np.median(shares))
    assert summary.iqm.value == pytest.approx(np.sort(shares)[3:9].mean())
    assert summary.mean.n == summary.iqm.n == 12
    assert summary.iqm.low < summary.iqm.value < summary.iqm.high


def test_intervals_of_shares_end_where_shares_do():
    rare = [0.0] * 9 + [0.01, 0.4, 0.0]
    (summary,) = analyse(declared(TWO[:1], []), ended("uniform", rare)).summaries
    assert summary.mean.low >= 0
    (summary,) = analyse(declared(TWO[:1], []), ended("uniform", [1 - x for x in rare])).summaries
    assert summary.mean.high <= 1


def test_arms_that_do_exactly_the_same():
    zeros = ended("uniform", [0.0] * 12) + ended("alp-gmm", [0.0] * 12)
    found = analyse(declared(TWO, PAIR), zeros)
    assert found.verdict == (
        "No difference was shown between alp-gmm and uniform: alp-gmm minus uniform is 0.0 points [0.0, 0.0], p = 1.00."
    )
    assert found.contrasts[0].improvement.value == 0.5
    assert found.contrasts[0].pairing.gain == 1.0
