"""Pages that are written from the code: commands, tables, configuration.

``{reference} commands`` in a page stands for the reference of the commands, made from their own parsers; ``tables``
for that of the tables, read as the monitor reads ``table_definitions/``; ``configuration`` for that of
``config.example.py``. So they cannot tell another story than the code.
"""

import argparse
import ast
import os
import re
from inspect import getsource

from sphinx.util.docutils import SphinxDirective

from wfc3_cte_monitor.commands import run_uvis_external_cte, uvis_external_cte
from wfc3_cte_monitor.records import Flag
from wfc3_cte_monitor.tables import read_definition, shipped_file

__all__ = ["commands", "configuration", "setup", "tables"]


def setup(app):
    """Register the directive."""
    app.add_directive("reference", Reference)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


class Reference(SphinxDirective):
    """``{reference} commands``, ``tables`` or ``configuration``."""

    required_arguments = 1

    def run(self):
        """The nodes of the reference."""
        for path in (shipped_file("config.example.py"), *shipped_file("table_definitions").rglob("*.txt")):
            self.env.note_dependency(str(path))
        make = {"commands": commands, "tables": tables, "configuration": configuration}[self.arguments[0]]
        return self.parse_text_to_nodes("\n".join(make()), allow_section_headings=True)


def plain(text):
    """A text without anything that Markdown would take for its own; what stands in backquotes stays code."""
    parts = re.split(r"(`[^`]*`)", " ".join(text.split()))
    return "".join(part if part.startswith("`") else re.sub(r"([\\*_<>|$\[\]{}#~])", r"\\\1", part) for part in parts)


def block(text, language="text"):
    """A block of code."""
    return [f"```{language}", *text.rstrip().splitlines(), "```", ""]


# ---- Commands --------------------------------------------------------------------------------------------------------


def commands():
    """Every command and subcommand: usage, what it does, its options, its examples."""
    width = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "90"  # for argparse, whatever terminal there is
    try:
        for make in (run_uvis_external_cte.parser, uvis_external_cte.parser):
            yield from _command(make(), "")
    finally:
        os.environ.pop("COLUMNS") if width is None else os.environ.update(COLUMNS=width)


def _command(parser, about):
    children = [(name, p, about) for action in _subcommands(parser) for name, p, about in _children(action)]
    yield from (f"## {parser.prog}", "")
    yield from (plain(parser.description or f"{about[:1].upper()}{about[1:]}."), "")
    yield from block(parser.format_usage().removeprefix("usage: "))
    if children:
        yield from ("| | |", "| --- | --- |")
        yield from (f"| [`{name}`](#{_anchor(p.prog)}) | {plain(about)} |" for name, p, about in children)
        yield ""
    for group in parser._action_groups:
        options = [a for a in group._group_actions if a not in _subcommands(parser) and a.dest != "help"]
        if options and group.description:
            yield from (plain(f"{group.title[:1].upper()}{group.title[1:]}: {group.description}."), "")
        for action in options:
            yield from (f"`{_spelled(action)}`", f": {plain(_said(action, parser))}", "")
    if parser.epilog:
        yield from block(parser.epilog)
    for _, child, of_child in children:
        yield from _command(child, of_child)


def _subcommands(parser):
    return [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]


def _children(action):
    about = {choice.dest: choice.help for choice in action._choices_actions}
    return [(name, parser, about[name]) for name, parser in action.choices.items()]


def _spelled(action):
    """As the help has it: '--v VISIT [VISIT ...]'."""
    metavar = argparse.HelpFormatter("")._format_args(action, action.metavar or action.dest.upper())
    if action.option_strings and action.choices and not action.metavar:
        metavar = "{" + ",".join(map(str, action.choices)) + "}"
    return " ".join(filter(None, (", ".join(action.option_strings), "" if action.nargs == 0 else metavar)))


def _said(action, parser):
    return parser._get_formatter()._expand_help(action)


def _anchor(prog):
    return re.sub(r"[^a-z0-9_ -]", "", prog.lower()).replace(" ", "-")


# ---- Tables ----------------------------------------------------------------------------------------------------------


def tables():
    """Every table: its columns, their types, keys and meanings; at last the bits of the flags."""
    folder = shipped_file("table_definitions")
    for path in (*sorted(folder.glob("*.txt")), *sorted((folder / "common").glob("*.txt"))):
        name = path.stem if path.parent != folder else f"<target>_{path.stem}"
        lines = path.read_text(encoding="utf-8").splitlines()
        meanings = [line.partition("#")[2].strip() for line in lines if line.partition("#")[0].strip()]
        yield from (f"## `{name}`", "", plain(lines[0].removeprefix("#")) + ".", "")
        yield from ("| Column | Type, keys | Meaning |", "| --- | --- | --- |")
        for column, meaning in zip(read_definition(path), meanings, strict=True):
            kind = ", ".join(filter(None, (column.type.__name__, _keys(column))))
            yield f"| `{column.name}` | {kind} | {plain(meaning)} |"
        yield ""
    yield from _bits(Flag)


def _keys(column):
    marks = [mark for mark in ("primary", "key", "required", "index") if mark in column.markers]
    if column.shared_index:
        marks.append(f"index {column.shared_index}")
    if column.references:
        marks.append(f"→ `{column.references}`")
    return ", ".join(marks)


def _bits(flag):
    """The bits of a flag, with what the code says below each."""
    yield from ("## Bits of the flags", "", plain(flag.__doc__), "")
    yield from (f"Flags are sums of these bits, in Python `wfc3_cte_monitor.records.{flag.__name__}`.", "")
    yield from ("| Name | Bit | Meaning |", "| --- | --- | --- |")
    body = ast.parse(getsource(flag)).body[0].body
    for assigned, said in zip(body, body[1:], strict=False):
        if isinstance(assigned, ast.Assign):
            name = assigned.targets[0].id
            yield f"| `{name}` | {int(flag[name])} | {plain(ast.literal_eval(said.value))} |"
    yield ""


# ---- Configuration ---------------------------------------------------------------------------------------------------


def configuration():
    """Every name of ``config.example.py``: what stands there, and what is said above it."""
    source = shipped_file("config.example.py").read_text(encoding="utf-8")
    lines = source.splitlines()
    statements = [node for node in ast.parse(source).body if isinstance(node, ast.Assign)]
    last = 0
    for node in statements:
        above = _comments(lines, last, node.lineno - 1)
        for comment in above:
            title = re.fullmatch(r"---- (.*?) -*", comment)
            yield from ((f"## {title[1]}", "") if title else (plain(comment), ""))
        yield from block("\n".join(lines[node.lineno - 1 : node.end_lineno]), "python")
        last = node.end_lineno


def _comments(lines, start, stop):
    """The comments between two statements, paragraph by paragraph."""
    paragraphs = [[]]
    for line in lines[start:stop]:
        text = line.removeprefix("#").strip()
        if line.startswith("# ----"):
            paragraphs += [[text], []]
        elif line.startswith("#") and text:
            paragraphs[-1].append(text)
        elif not line.startswith('"""'):
            paragraphs.append([])
    return [" ".join(words) for words in paragraphs if words]
