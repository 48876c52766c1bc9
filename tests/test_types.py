"""Type hints: what is public has them, in the rooms that people call; `make lint` has mypy check them."""

import importlib.resources
import inspect

import pytest

import wfc3_cte_monitor
from wfc3_cte_monitor.pipeline.correct import correct_photometry
from wfc3_cte_monitor.pipeline.results import Results, open_results

ROOMS = ("database", "errors", "pairing", "records", "simulate", "slopes", "surface", "uvis", "settings.record")


def functions():
    """(name, function) of all that is public, with the methods of classes."""
    yield "correct_photometry", correct_photometry
    yield "open_results", open_results
    yield from ((f"Results.{method}", function) for method, function in _methods(Results))
    for room in ROOMS:
        module = importlib.import_module(f"wfc3_cte_monitor.{room}")
        for name in module.__all__:
            public = getattr(module, name)
            if inspect.isfunction(public):
                yield f"{room}.{name}", inspect.unwrap(public)
            elif inspect.isclass(public):
                yield from ((f"{room}.{name}.{method}", function) for method, function in _methods(public))


def _methods(cls):
    """Those that are written in the class, and not made by dataclass, which has its own from the fields."""
    for name, member in vars(cls).items():
        member = getattr(member, "fget", None) or getattr(member, "__func__", member)
        if not inspect.isfunction(member) or (name.startswith("_") and name not in ("__init__", "__enter__")):
            continue
        if inspect.unwrap(member).__code__.co_filename.endswith(".py"):
            yield name, inspect.unwrap(member)


@pytest.mark.parametrize(
    ("name", "function"), [*functions()], ids=lambda value: value if isinstance(value, str) else ""
)
def test_what_is_public_has_type_hints(name, function):
    parameters = [one for one in inspect.signature(function).parameters.values() if one.name not in ("self", "cls")]
    assert not [one.name for one in parameters if one.annotation is one.empty]
    assert inspect.signature(function).return_annotation is not inspect.Signature.empty


def test_hints_are_found_by_type_checkers_of_others():
    assert (importlib.resources.files(wfc3_cte_monitor) / "py.typed").is_file()
