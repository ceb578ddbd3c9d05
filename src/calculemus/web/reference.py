"""The reference: what public modules offer, read from their source without importing them."""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import griffe

import calculemus
from calculemus.errors import PageError
from calculemus.named import suggest
from calculemus.web.markdown import Part, parts_of
from calculemus.web.pages import Asked
from calculemus.web.site import Site

_ROOT = Path(calculemus.__file__).parent
_PACKAGE = "calculemus"
_LEFT_OUT = ("cli", "web", "tiny")  # skins without callers, and how the model that ships was made
_STARS = {griffe.ParameterKind.var_positional: "*", griffe.ParameterKind.var_keyword: "**"}


@cache
def modules() -> Mapping[str, Path]:
    """Return the public modules with their files, by name; a package comes before what it holds."""
    found = {}
    for file in sorted(_ROOT.rglob("*.py")):
        parts = file.relative_to(_ROOT).with_suffix("").parts
        if parts[-1] == "__init__":
            parts = parts[:-1]
        is_hidden = any(part.startswith("_") for part in parts) or bool(parts and parts[0] in _LEFT_OUT)
        if not is_hidden and not (parts and parts[-1].endswith("_claim")):
            found[".".join((_PACKAGE, *parts))] = file
    return dict(sorted(found.items()))


@cache
def rooms() -> list[dict[str, Any]]:
    """Return the modules below the package by room, those without a room first."""
    names = [name for name in modules() if name != _PACKAGE]
    packages = [name for name in names if modules()[name].name == "__init__.py" and name.count(".") == 1]
    single = [name for name in names if name.count(".") == 1 and name not in packages]
    listed = [{"name": _PACKAGE, "about": "the nouns, and what all rooms share", "modules": single}]
    for package in packages:
        inside = [name for name in names if name.startswith(f"{package}.")]
        listed.append({"name": package, "about": _first_line(_visit(package).docstring), "modules": inside})
    return listed


def module_of(entry: str) -> str | None:
    """Return the module of a card's ``entry`` where the reference has it."""
    module = entry.partition(":")[0]
    return module if module in modules() else None


def reference(site: Site, asked: Asked) -> dict[str, Any]:
    """Return what a module offers.

    Raises:
        PageError: The package has no such public module.
    """
    name = asked.params["module"]
    if name not in modules():
        shown = name[:60]
        raise PageError(
            f"showing the reference: the package has no public module '{shown}'; "
            f"{suggest(shown, modules())}expected one that the index of the docs names"
        )
    return _record(name)


@cache
def _visit(name: str) -> griffe.Module:
    file = modules()[name]
    return griffe.visit(
        name,
        filepath=file,
        code=file.read_text("utf-8"),
        docstring_parser=griffe.Parser.google,
        docstring_options={"warnings": False},  # they would go to the terminal of whoever serves the pages
    )


@cache
def _record(name: str) -> dict[str, Any]:
    module = _visit(name)
    exports = _exports(module)
    members = [(key, member) for key, member in module.members.items() if _is_public(key, exports)]
    own = [member for _, member in members if not member.is_alias]
    return {
        "module": name,
        "about": _described(module)["text"],
        "room": name.rpartition(".")[0],
        "inside": [each for each in modules() if each.rpartition(".")[0] == name],
        "offered": [
            {"name": key, **_place(member)} for key, member in members if exports and _is_offered(member)
        ],
        "classes": [_class(each) for each in own if isinstance(each, griffe.Class)],
        "functions": [_function(each) for each in own if isinstance(each, griffe.Function)],
        "values": [_value(each) for each in own if isinstance(each, griffe.Attribute)],
    }


def _exports(module: griffe.Module) -> set[str] | None:
    return None if module.exports is None else {str(name) for name in module.exports}


def _is_public(name: str, exports: set[str] | None) -> bool:
    return name in exports if exports is not None else not name.startswith("_")


def _is_offered(member: griffe.Object | griffe.Alias) -> bool:
    """Say whether a module offers what another one of the package defines; other imports it only uses."""
    return isinstance(member, griffe.Alias) and member.target_path.startswith(f"{_PACKAGE}.")


def _place(member: griffe.Object | griffe.Alias) -> dict[str, str]:
    assert isinstance(member, griffe.Alias), "only what is imported has another place"
    module, _, name = member.target_path.rpartition(".")
    return {"module": module, "place": name}


def _class(found: griffe.Class) -> dict[str, Any]:
    members = {name: each for name, each in found.members.items() if not name.startswith("_")}
    values = [each for each in members.values() if isinstance(each, griffe.Attribute)]
    fields = [each for each in values if "property" not in each.labels]
    described = _described(found)
    told = {row["name"] for row in described["attributes"]}
    has_fields = any(str(each.value).startswith("dataclass") for each in found.decorators)
    return {
        "name": found.name,
        "bases": [str(base) for base in found.bases],
        "signature": _signature(found, fields if has_fields else None),
        **described,
        "attributes": [*described["attributes"], *(_value(each) for each in fields if each.name not in told)],
        "properties": [_value(each) for each in values if "property" in each.labels],
        "methods": [_function(each) for each in members.values() if isinstance(each, griffe.Function)],
    }


def _signature(found: griffe.Class, fields: list[griffe.Attribute] | None) -> str:
    """Return how an instance is made: by the fields of a dataclass, or the arguments of ``__init__``."""
    if fields is not None:
        shown = [
            f"{each.name}: {each.annotation}" + (f" = {each.value}" if each.value is not None else "")
            for each in fields
            if "instance-attribute" in each.labels
        ]
        return _call(found.name, shown)
    made = found.members.get("__init__")
    return _call(found.name, list(_parameters(made))) if isinstance(made, griffe.Function) else found.name


def _function(found: griffe.Function) -> dict[str, Any]:
    returns = f" -> {found.returns}" if found.returns is not None else ""
    return {
        "name": found.name,
        "signature": _call(found.name, list(_parameters(found))) + returns,
        **_described(found),
    }


def _call(name: str, shown: list[str]) -> str:
    """Write a call, an argument a line where one line does not hold it."""
    line = f"{name}({', '.join(shown)})"
    if len(line) <= 90:
        return line
    return "\n".join((f"{name}(", *(f"    {each}," for each in shown), ")"))


def _parameters(found: griffe.Function) -> Iterator[str]:
    is_keyword = False
    for each in found.parameters:
        if each.name in ("self", "cls"):
            continue
        if each.kind is griffe.ParameterKind.keyword_only and not is_keyword:
            is_keyword = True
            yield "*"
        stars = _STARS.get(each.kind, "") if each.kind else ""
        is_keyword = is_keyword or stars == "*"
        typed = f": {each.annotation}" if each.annotation is not None else ""
        default = f" = {each.default}" if each.default is not None and not stars else ""
        yield f"{stars}{each.name}{typed}{default}"


def _value(found: griffe.Attribute) -> dict[str, Any]:
    text = found.docstring.value if found.docstring else ""
    return {"name": found.name, "type": str(found.annotation or ""), "text": parts_of(text)}


def _described(found: griffe.Object) -> dict[str, Any]:
    """Return what a docstring says: its text, and the sections of Google's style."""
    record: dict[str, Any] = {"text": [], "parameters": [], "attributes": [], "raises": [], "returns": []}
    record["examples"] = list[str]()
    for section in found.docstring.parsed if found.docstring else ():
        match section.kind.value:
            case "text":
                record["text"] += parts_of(str(section.value))
            case "parameters" | "other parameters":
                record["parameters"] += [_row(each) for each in section.value]
            case "attributes" | "raises" | "returns" | "yields" as kind:
                record["returns" if kind == "yields" else kind] += [_row(each) for each in section.value]
            case "examples":
                record["examples"] += [str(text) for _, text in section.value]
            case "admonition" if section.value.annotation == "example":
                record["examples"].append(str(section.value.description))
            case "admonition":
                record["text"] += parts_of(f"{section.title}: {section.value.description}")
            case _:
                continue
    return record


def _row(each: Any) -> dict[str, Any]:  # griffe has a class for each kind of section
    name = getattr(each, "name", "") or ""
    annotation = getattr(each, "annotation", None)
    typed = "" if annotation is None else str(annotation)
    return {"name": name, "type": typed, "text": parts_of(each.description)}


def _first_line(docstring: griffe.Docstring | None) -> str:
    return "" if docstring is None else docstring.value.strip().partition("\n")[0]


def text_parts(record: Mapping[str, Any]) -> Iterator[Part]:
    """Yield the parts of all texts of a record, wherever they stand."""
    for value in record.values():
        for each in value if isinstance(value, list) else ():
            if isinstance(each, dict):
                if "kind" in each:
                    yield each
                else:
                    yield from text_parts(each)
