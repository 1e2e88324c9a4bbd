"""What a language model is told of a level, what it is to answer, and what of its answers is taken.

The layout is told twice, as a drawing and as a list of what is where: models read coordinates off the list more
reliably. The prompt is ours, as that of Words as Beacons (https://arxiv.org/abs/2410.08632) was not published.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from teachrl.llm.errors import InvalidAnswer
from teachrl.subgoals import Layout, Layouts, Subgoal, Thing

PROMPT_VERSION = "1"
"""Part of the schema's title, so that answers to other wordings are not taken for answers to this one."""
POSITION = "position"
"""The kind of a subgoal that is a bare cell."""
RULES = """\
- The player stands in a cell and faces right, down, left or up. It turns, moves one cell ahead, or acts on what is in \
the cell before it.
- It cannot enter walls, closed doors, or cells that hold a key, a ball or a box.
- A closed door is opened from the cell before it. A locked door opens only while the player carries a key of the \
door's colour.
- The player picks up keys, balls and boxes. It carries one thing at a time, and puts it down to take another.
- Opening a box puts what is in it in the box's place.
- A thing that stands in the way has to be picked up and put down elsewhere."""
"""The rules of a level whose `Layouts` has no `rules` of its own."""
_SYSTEM = """\
You plan for a player in a grid world. You are shown one level and name the subgoals that lead to its end, in the \
order in which they are to be reached.

Cells are (x, y): x counts columns from 0 at the left, y counts rows from 0 at the top.
{rules}

A subgoal is one cell. It is reached when the player stands on it, or when what is in it changes: a door is opened, a \
key, ball or box is picked up, a box is opened. Name what matters on the shortest way: things to fetch or to put away, \
doors to open, and last what the mission asks for. Do not name every step.

Answer with JSON and nothing else:
{{"subgoals": [{{"kind": "door", "colour": "red", "x": 3, "y": 4}}, ...]}}
- "kind" says what is in that cell at the beginning, "{position}" for a cell with nothing in it.
- "colour" is the colour of what is there, "" for what has none.
- "x" and "y" are whole numbers inside the grid, never a wall.
- The list has at least 1 and at most {most} subgoals."""


def messages(layout: Layout, most: int, rules: str = RULES) -> list[dict[str, str]]:
    """Returns the messages that ask for the subgoals of a layout, `most` of them at most."""
    system = _SYSTEM.format(rules=rules, position=POSITION, most=most)
    return [{"role": "system", "content": system}, {"role": "user", "content": describe(layout, most)}]


def describe(layout: Layout, most: int) -> str:
    """Returns a level in words: its size, a drawing with its legend, what is where, the player and the mission."""
    x, y, facing = layout.agent
    things = [f"- {_thing(t)} at x {t.x}, y {t.y}" for t in layout.things]
    legend = ", ".join(f"{mark!r} {meaning}" for mark, meaning in layout.legend.items())
    parts = [
        f"The grid has {layout.width} columns (x 0 to {layout.width - 1}) and {layout.height} rows "
        f"(y 0 to {layout.height - 1}).",
        f"Legend: {legend}.",
        "\n".join([*_columns(layout.width), *_rows(layout.grid)]),
        "\n".join(["What is where:", *(things or ["- nothing but walls and floor"])]),
        f"The player stands at x {x}, y {y}, faces {facing} and carries {layout.carrying or 'nothing'}.",
        f"Mission: {layout.mission}",
        f"Name at most {most} subgoals.",
    ]
    return "\n\n".join(parts)


def _thing(thing: Thing) -> str:
    state = f" ({thing.state})" if thing.state else ""
    return f"{thing.colour} {thing.kind}{state}".strip()


def _columns(width: int) -> list[str]:
    """Returns the numbers of the columns, above the drawing: a line of tens where there are any, a line of units."""
    tens = "".join(str(x // 10 % 10) if x >= 10 else " " for x in range(width))
    units = "".join(str(x % 10) for x in range(width))
    return [f"{name:>5} {line}".rstrip() for name, line in (("", tens), ("x", units)) if line.strip()]


def _rows(grid: Sequence[str]) -> list[str]:
    """Returns the drawing with the numbers of its rows; those in which nothing is drawn are left out."""
    drawn = [f"{f'y {row}':>5} {line}" for row, line in enumerate(grid) if line.strip()]
    return drawn if len(drawn) == len(grid) else [*drawn, "(rows that are not drawn are empty)"]


def schema(layout: Layout, most: int) -> dict[str, Any]:
    """Returns the JSON schema of an answer, with the layout's own bounds, kinds and colours.

    Numbers are enumerated: servers that make models keep to a schema often do not keep to minima and maxima.
    """
    properties = {
        "kind": {"type": "string", "enum": kinds(layout)},
        "colour": {"type": "string", "enum": ["", *sorted({t.colour for t in layout.things} - {""})]},
        "x": {"type": "integer", "enum": list(range(layout.width))},
        "y": {"type": "integer", "enum": list(range(layout.height))},
    }
    subgoal = {
        "type": "object", "properties": properties, "required": list(properties), "additionalProperties": False,
    }  # fmt: skip
    return {
        "title": f"subgoals_{PROMPT_VERSION}",
        "type": "object",
        "properties": {"subgoals": {"type": "array", "items": subgoal, "minItems": 1, "maxItems": most}},
        "required": ["subgoals"],
        "additionalProperties": False,
    }


def kinds(layout: Layout) -> list[str]:
    """Returns the kinds of subgoals that a layout has, a bare cell first."""
    return [POSITION, *sorted({t.kind for t in layout.things} - {POSITION})]


class Checker:
    """Takes from an answer the subgoals that can be meant, and says what is wrong with one that cannot.

    Args:
        layouts: Who knows what can be meant.
        layout: The level that was asked about.
        most: Subgoals that a plan may have.
        refused: Counts the refusals by reason: `form`, `number`, `outside`, `wall`, `absent`, `unreachable`.
    """

    def __init__(self, layouts: Layouts, layout: Layout, most: int, refused: Counter[str]) -> None:
        self._layouts, self._layout, self._most, self._refused = layouts, layout, most, refused
        self._there = {(named.x, named.y, named.kind): named for named in layouts.cells(layout)}

    def __call__(self, data: Any) -> list[Subgoal]:
        """Returns the subgoals of an answer, those that name a thing in the layout's own words.

        Raises:
            InvalidAnswer: If it has not the form of one, or a subgoal cannot be meant; all of these are named.
        """
        listed = data.get("subgoals") if isinstance(data, Mapping) else None
        if not isinstance(listed, list):
            raise self._refusal("form", 'The answer must be a JSON object {"subgoals": [...]}.')
        if not 1 <= len(listed) <= self._most:
            raise self._refusal(
                "number", f"The list must have at least 1 and at most {self._most} subgoals, it has {len(listed)}."
            )
        plan, wrong = [], []
        for number, item in enumerate(listed, 1):
            try:
                plan.append(self._subgoal(item))
            except InvalidAnswer as error:
                wrong.append(f"Subgoal {number}: {error}")
        if wrong:
            raise InvalidAnswer("\n".join(wrong))
        return plan

    def _subgoal(self, item: Any) -> Subgoal:
        subgoal = self._read(item)
        if not (0 <= subgoal.x < self._layout.width and 0 <= subgoal.y < self._layout.height):
            right, bottom = self._layout.width - 1, self._layout.height - 1
            raise self._refusal(
                "outside",
                f"x {subgoal.x}, y {subgoal.y} is outside the grid: x goes from 0 to {right}, y from 0 to {bottom}.",
            )
        if sentence := self._layouts.refusal(self._layout, subgoal):
            raise self._refusal(reason_of(sentence), sentence)
        return self._there.get((subgoal.x, subgoal.y, subgoal.kind), subgoal)

    def _read(self, item: Any) -> Subgoal:
        """Returns what an entry of the list says."""
        found = dict(item) if isinstance(item, Mapping) else {}
        cell = [_whole(found.get(name)) for name in ("x", "y")]
        kind, colour = (_word(found.get(name)) for name in ("kind", "colour"))
        if cell[0] is None or cell[1] is None or kind not in kinds(self._layout) or colour is None:
            raise self._refusal(
                "form",
                'it must be {"kind": ..., "colour": ..., "x": ..., "y": ...}, x and y whole numbers, the kind one of '
                f"{', '.join(kinds(self._layout))}.",
            )
        return Subgoal(cell[0], cell[1], kind, "" if kind == POSITION else colour)

    def _refusal(self, reason: str, sentence: str) -> InvalidAnswer:
        self._refused[reason] += 1
        return InvalidAnswer(sentence)


def _whole(value: Any) -> int | None:
    """Returns a whole number, of a size that a cell may have; 3.0 is one."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1e9 < value < 1e9:
        return None
    return int(value) if value == int(value) else None


def _word(value: Any) -> str | None:
    if value is None:
        return ""
    return value.strip().lower()[:40] if isinstance(value, str) else None


_REASONS = (("outside", "outside"), ("wall", "wall"), ("reach", "unreachable"))


def reason_of(sentence: str) -> str:
    """Returns one word for the sentence in which a `Layouts` refuses a subgoal, for counts."""
    return next((reason for word, reason in _REASONS if word in sentence.lower()), "absent")
