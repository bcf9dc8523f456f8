"""The pages of `ops/docs` name files, tests, commands and columns that exist."""

import re
import subprocess

import pytest

from harness.daemon import BINARY, REPOSITORY

PAGES = [REPOSITORY / "README.md", REPOSITORY / "ARCHITECTURE.md", *sorted((REPOSITORY / "ops/docs").glob("*.md")),
         REPOSITORY / "Tests/Traps.md"]
# Names of tests may hold one pair of brackets.
LINK = re.compile(r"\[((?:[^\[\]]|\[[^\[\]]*\])+)\]\(([^)\s]+)\)")


def anchors(page):
    """The names of a page's headings in links."""
    heads = re.findall(r"^#+ (.+)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page):
    for _, target in LINK.findall(page.read_text()):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


@pytest.mark.parametrize("page, least", [("ops/docs/guarantees.md", 20), ("Tests/Traps.md", 50)])
def test_every_guarantee_and_every_known_trap_is_held_by_tests_that_exist(page, least):
    page = REPOSITORY / page
    rows = [line for line in page.read_text().splitlines() if line.startswith("| ")]
    rows = [row for row in rows if not row.startswith(("| guarantee", "| trap", "| ---"))]
    assert len(rows) >= least
    for row in rows:
        tests = LINK.findall(row)
        assert tests, row
        for name, target in tests:
            text = (page.parent / target).read_text()
            declared = f"def {name}(" if target.endswith(".py") else f'"{name}"'
            assert declared in text, f"{name} in {target}"


def test_every_column_of_the_log_is_documented():
    sql = (REPOSITORY / "migrations/0002_logs.sql").read_text()
    table = sql[sql.index("CREATE TABLE logs ("):sql.index("PRIMARY KEY")]
    columns = set(re.findall(r"^    ([a-z_0-9]+) [a-z]", table, re.M))
    for migration in (REPOSITORY / "migrations").glob("*.sql"):
        columns |= set(re.findall(r"^ALTER TABLE logs ADD COLUMN (\w+) ", migration.read_text(), re.M))
    assert {"id", "duration_us", "cost", "speed"} <= columns
    page = (REPOSITORY / "ops/docs/database.md").read_text()
    section = page[page.index("## Columns"):page.index("`log_bodies` has")]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    assert {name for cell in cells for name in re.findall(r"`(\w+)`", cell)} == columns


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_exists(page):
    code = re.findall(r"`([^`\n]+)`", page.read_text()) + re.findall(r"^```sh\n(.*?)^```", page.read_text(), re.M | re.S)
    known = {name for name in re.findall(r"^([a-z0-9-]+):", (REPOSITORY / "Makefile").read_text(), re.M)}
    for text in code:
        for target in re.findall(r"(?:^|\s)make ([a-z0-9-]+)", text):
            assert target in known, f"make {target}"
        for command in re.findall(r"^aigatewayd ((?:token |secret )?[a-z-]+)", text, re.M):
            done = subprocess.run([BINARY, *command.split(), "--help"], capture_output=True, text=True, timeout=30)
            assert done.returncode == 0 and "USAGE: aigatewayd" in done.stdout, f"aigatewayd {command}"


def test_the_map_names_places_and_types_that_exist():
    text = (REPOSITORY / "ARCHITECTURE.md").read_text()
    files = [str(file.relative_to(REPOSITORY)) for file in (REPOSITORY / "Sources").rglob("*.swift")]
    declared = set()
    for file in files:
        declared |= set(re.findall(r"\b(?:class|struct|enum|protocol|actor) (\w+)", (REPOSITORY / file).read_text()))
    targets = {file.split("/")[1] for file in files}
    for path in re.findall(r"`([A-Z]\w+/[\w/.]+)`", text):
        assert any(file.startswith((f"Sources/{path}/", f"Sources/{path}.swift")) or file == f"Sources/{path}"
                   for file in files), path
    for name in re.findall(r"`([A-Z][a-z]\w+)`", text):
        assert name in declared | targets, name
    for path in re.findall(r"`(ops/[\w/]+)`", text):
        assert (REPOSITORY / path).exists(), path


def test_the_versions_of_sdks_that_are_told_are_those_that_run():
    folder = REPOSITORY / "Tests/Clients"
    installed = dict(line.split("==") for line in (folder / "requirements.txt").read_text().split() if "==" in line)
    told = re.findall(r"^\| `([a-z0-9-]+)` (\d[\d.]*) \|", (folder / "README.md").read_text(), re.M)
    assert len(told) > 8 and {name: installed[name] for name, _ in told} == dict(told)
