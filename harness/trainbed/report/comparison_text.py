# SPDX-License-Identifier: Apache-2.0
"""A comparison in words: for a terminal, as Markdown for a comment in CI, as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence

from trainbed.report.compare import Change, Comparison, Judged, Pair
from trainbed.summary import grouped

_SECTIONS = (
    ("size and memory", ("model.", "memory.", "ram.", "arena.")),
    ("training", ("training.", "test.")),
    ("cost per trained sample", ("cost.",)),
    ("by layer, per trained sample", ("layers.",)),
    ("flash by symbol, bytes", ("flash.",)),
)
_HEADINGS = ("", "before", "after", "difference", "")
MAX_ROWS = 25
"""Figures of a section shown in words, the largest differences; JSON has them all."""


def as_text(comparison: Comparison) -> str:
    """For a terminal: only what changed."""
    lines = [f"before  {comparison.before}", f"after   {comparison.after}"]
    for pair in _shown(comparison):
        lines += ["", pair.name] if pair.name else []
        lines += [f"note: {note}" for note in pair.notes]
        for title, changes, more in _sections(pair):
            lines += ["", title, *_columns([_cells(change) for change in changes])]
            lines += [f"  and {more} smaller ones"] if more else []
        if pair.words:
            lines += ["", "other", *(f"  {key}: {x} -> {y}" for key, x, y in pair.words)]
        if not pair.words and not any(change.changed for change in pair.changes):
            lines += ["", "nothing changed"]
    lines += _missing(comparison)
    if comparison.judged:
        lines += ["", "bounds", *(f"  {_judged(judged)}" for judged in _judged_shown(comparison))]
        lines += ["", "passed" if comparison.passed else "failed"]
    return "\n".join(lines) + "\n"


def as_markdown(comparison: Comparison) -> str:
    """For a comment in CI: bounds first, then what changed."""
    head = "" if not comparison.judged else "✓ within bounds: " if comparison.passed else "✗ out of bounds: "
    lines = [f"**{head}`{comparison.before}` → `{comparison.after}`**", ""]
    if comparison.judged:
        lines += [f"- {_judged(judged)}" for judged in _judged_shown(comparison)] + [""]
    for pair in _shown(comparison):
        lines += [f"**{pair.name}**", ""] if pair.name else []
        lines += [f"> {note}" for note in pair.notes] + ([""] if pair.notes else [])
        for title, changes, more in _sections(pair):
            lines += [f"| {title} | before | after | difference | |", "|---|--:|--:|--:|--:|"]
            lines += [f"| {' | '.join((f'`{row[0]}`', *row[1:]))} |" for row in map(_cells, changes)]
            lines += [f"| and {more} smaller ones | | | | |"] if more else []
            lines.append("")
        if pair.words:
            lines += ["| other | before | after |", "|---|---|---|"]
            lines += [f"| `{key}` | {x} | {y} |" for key, x, y in pair.words] + [""]
        if not pair.words and not any(change.changed for change in pair.changes):
            lines += ["Nothing changed.", ""]
    lines += _missing(comparison)
    return "\n".join(lines).rstrip() + "\n"


def as_json(comparison: Comparison) -> str:
    """Every figure, changed or not."""
    plain = {
        "before": comparison.before,
        "after": comparison.after,
        "passed": comparison.passed,
        "bounds": [
            {
                "bound": judged.bound.text,
                "key": judged.change.key,
                "run": judged.run,
                "before": judged.change.before,
                "after": judged.change.after,
                "passed": judged.passed,
            }
            for judged in comparison.judged
        ],
        "only_before": list(comparison.only_before),
        "only_after": list(comparison.only_after),
        "runs": [
            {
                "name": pair.name,
                "notes": list(pair.notes),
                "figures": [
                    {
                        "key": change.key,
                        "before": change.before,
                        "after": change.after,
                        "difference": change.difference,
                        "percent": change.percent,
                    }
                    for change in pair.changes
                ],
                "words": [{"key": key, "before": x, "after": y} for key, x, y in pair.words],
            }
            for pair in comparison.pairs
        ],
    }
    return json.dumps(plain, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _shown(comparison: Comparison) -> list[Pair]:
    """Of a sweep only the rows that changed."""
    if len(comparison.pairs) == 1:
        return list(comparison.pairs)
    return [pair for pair in comparison.pairs if pair.words or any(change.changed for change in pair.changes)]


def _sections(pair: Pair) -> list[tuple[str, list[Change], int]]:
    """(title, changes, number left out) of the sections something changed in."""
    found = []
    for title, prefixes in _SECTIONS:
        changes = [change for change in pair.changes if change.changed and change.key.startswith(prefixes)]
        if prefixes in (("flash.",), ("layers.",)):
            changes.sort(key=lambda change: (-abs((change.after or 0.0) - (change.before or 0.0)), change.key))
        if changes:
            found.append((title, changes[:MAX_ROWS], max(0, len(changes) - MAX_ROWS)))
    return found


def _cells(change: Change) -> tuple[str, str, str, str, str]:
    percent = change.percent
    return (
        change.key,
        _number(change.before),
        _number(change.after),
        _signed(change.difference),
        "" if percent is None else f"{percent:+.2f} %" if abs(percent) < 100_000 else "",
    )


def _number(value: float | None) -> str:
    return "-" if value is None else grouped(value)


def _signed(value: float | None) -> str:
    if value is None:
        return ""
    return ("+" if value > 0 else "") + grouped(value)


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    table = [_HEADINGS, *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(_HEADINGS))]
    return [
        (
            "  "
            + row[0].ljust(widths[0])
            + "".join("  " + cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))
        ).rstrip()
        for row in table
    ]


def _judged_shown(comparison: Comparison) -> list[Judged]:
    """Each bound once where it holds everywhere, else every run that breaks it."""
    shown: list[Judged] = []
    for bound in dict.fromkeys(judged.bound for judged in comparison.judged):
        of_bound = [judged for judged in comparison.judged if judged.bound == bound]
        shown += [judged for judged in of_bound if not judged.passed] or of_bound[:1]
    return shown


def _judged(judged: Judged) -> str:
    change = judged.change
    mark = "✓" if judged.passed else "✗"
    where = f" ({judged.run})" if judged.run and not judged.passed else ""
    if change.after is None or (judged.bound.relative and change.before is None):
        return f"{mark} {judged.bound.text}: not measured{where}"
    percent = f", {change.percent:+.2f} %" if change.percent is not None else ""
    return f"{mark} {judged.bound.text}: {_number(change.before)} to {_number(change.after)}{percent}{where}"


def _missing(comparison: Comparison) -> list[str]:
    lines = []
    for title, names in (("only before", comparison.only_before), ("only after", comparison.only_after)):
        if names:
            lines += ["", f"{title}: {len(names)} rows", *(f"- {name}" for name in names[:MAX_ROWS])]
    return lines
