"""Table definitions: what the text files say is what the tables are."""

import re
import shutil
import sqlite3

import pytest
from sqlalchemy import Date, Float, Integer, String, create_engine

from wfc3_cte_monitor.commands import uvis_external_cte
from wfc3_cte_monitor.errors import ConfigurationError
from wfc3_cte_monitor.records import FluxBin
from wfc3_cte_monitor.settings import read_settings
from wfc3_cte_monitor.tables import ColumnDefinition, Schema, expand, read_definition, shipped_file

BINS = (FluxBin(250, 500), FluxBin(500, 2000))
RESULT_MEASURES = ("SLOPE", "SLOPESTDEV", "NUMPOINTS", "MAGSLOPE", "MAGSLOPESTDEV")


@pytest.fixture
def definitions(tmp_path):
    """A copy of ``table_definitions`` to write in."""
    return shutil.copytree(shipped_file("table_definitions"), tmp_path / "definitions")


def parsed(tmp_path, text):
    path = tmp_path / "some.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_definition(path)


def refusal(tmp_path, text):
    with pytest.raises(ConfigurationError) as caught:
        parsed(tmp_path, text)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def schema(folder=None, targets=("ngc104",), aprads=(3, 4.5), bins=BINS):
    return Schema(targets, aprads, bins, folder)


# ---- One file --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["master", "fileinfo", "phot", "results"])
def test_shipped_definition_is_read_line_by_line(name):
    path = shipped_file("table_definitions") / f"{name}.txt"
    lines = [line for line in path.read_text().splitlines() if line.partition("#")[0].strip()]
    assert [column.name for column in read_definition(path)] == [line.split(",")[0] for line in lines]


@pytest.mark.parametrize(
    ("line", "type_"), [("A, String", String), ("A, float", Float), ("A,INTEGER", Integer), ("A Date", Date)]
)
def test_types(tmp_path, line, type_):
    assert parsed(tmp_path, f"id, Integer, primary\n{line}")[1] == ColumnDefinition("A", type_)


def test_markers_and_reference(tmp_path):
    (column,) = parsed(tmp_path, "A, Integer, Primary, KEY , index,required, references master.id  # why\n")
    assert column.markers == {"primary", "key", "index", "required"}
    assert column.references == "master.id"


def test_readme_of_the_definitions_names_what_can_be_said(tmp_path):
    text = (shipped_file("table_definitions") / "README.md").read_text()
    types = re.search(r"Type: (.*)", text)[1]
    for type_ in re.findall("`([A-Za-z]+)`", types):
        parsed(tmp_path, f"id, {type_}, primary\n")
    for marker in ("primary", "key", "index", "required", "references table.COLUMN", "was OLDNAME"):
        assert f"`{marker}`" in text
        parsed(tmp_path, f"id, Integer, primary\nA, Float, {marker}\n")
    assert set(re.findall("`{([a-z]+)}`", text)) == {"aperture", "bin"}


def test_comments_blank_lines_and_a_byte_order_mark_are_no_columns(tmp_path):
    text = "\ufeff# first\n\n   \nid, Integer, primary\n  # Größe\nA, Float# last\n"
    assert [column.name for column in parsed(tmp_path, text)] == ["id", "A"]


def test_comment_in_another_encoding_does_no_harm(tmp_path):
    assert [column.name for column in parsed(tmp_path, b"id, Integer, primary # Gr\xf6\xdfe\n")] == ["id"]


@pytest.mark.parametrize(
    "line",
    [
        "A",
        "A, Decimal",
        "A,",
        "A, Float, importand",
        "A, Float, references",
        "A, Float,",
        "A B, Float",
        "1A, Float",
        "__A, Float",
        "A-B, Float",
        "{bin}, Float",
        "A_{apertur}, Float",
        "A_{aperture}_{bin}, Float",
        ", Float",
    ],
)
def test_bad_line_is_named_with_file_and_number(tmp_path, line):
    assert refusal(tmp_path, f"id, Integer, primary\n\n# comment\n{line}\n").startswith("some.txt, line 4: ")


def test_column_defined_twice_is_named(tmp_path):
    assert refusal(tmp_path, "id, Integer, primary\nFLUX, Float\nflux, Float") == "some.txt: defined twice: flux"


@pytest.mark.parametrize("text", ["", "# nothing", "A, Float\nB, Float, key"])
def test_table_without_a_primary_key_is_refused(tmp_path, text):
    assert refusal(tmp_path, text) == "some.txt: no column is marked primary"


# ---- Templates -------------------------------------------------------------------------------------------------------


def test_template_becomes_one_column_per_aperture_or_bin_in_place():
    columns = [
        ColumnDefinition("A", Float),
        ColumnDefinition("F_{aperture}", Float, frozenset({"index"})),
        ColumnDefinition("S_{bin}", Float),
    ]
    expanded = expand(columns, (3, 4.5), BINS)
    assert [c.name for c in expanded] == ["A", "F_3", "F_4p5", "S_250_500", "S_500_2000"]
    assert [c.markers for c in expanded] == [set(), {"index"}, {"index"}, set(), set()]


def test_table_has_only_the_apertures_and_bins_of_the_configuration():
    tables = schema(aprads=(4,), bins=(FluxBin(100, 200),))
    phot, results = ([c.name for c in tables.table("ngc104", name).columns] for name in ("phot", "results"))
    assert [name for name in phot if name.startswith("FLUX_")] == ["FLUX_4"]
    assert [name for name in results if name.startswith("SLOPE_")] == ["SLOPE_100_200"]


def test_names_that_collide_after_expansion_are_refused(definitions):
    with (definitions / "phot.txt").open("a") as file:
        file.write("FLUX_3, Float\n")
    with pytest.raises(ConfigurationError, match="phot.txt: defined twice: flux_3"):
        schema(definitions)


# ---- All tables ------------------------------------------------------------------------------------------------------


def test_example_configuration_has_the_result_columns_that_people_know(settings_file):
    settings = read_settings(settings_file)
    columns = Schema(settings.target_list, settings.aprads, settings.bins).table("ngc6791", "results").columns.keys()
    assert {f"{measure}_8000_32000" for measure in RESULT_MEASURES} <= set(columns)
    assert sum(name.startswith("MAGSLOPE_") for name in columns) == 8


@pytest.mark.parametrize("reference", ["nothing.id", "master", "master.ID", "master.star"])
def test_reference_to_nowhere_is_refused(definitions, reference):
    with (definitions / "phot.txt").open("a") as file:
        file.write(f"OTHER, Integer, references {reference}\n")
    with pytest.raises(ConfigurationError, match=rf"phot.txt: OTHER references {reference}, which is not defined"):
        schema(definitions)


def test_folder_without_definitions_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match=re.escape(str(tmp_path))):
        schema(tmp_path)


def test_natural_key_is_the_marked_one_and_else_the_primary_one():
    keys = schema().natural_keys
    assert keys["fileinfo"] == ["IMAGENAME"]
    assert keys["results"] == ["IMAGENAME_1", "IMAGENAME_2", "APERTURE"]
    assert keys["phot"] == ["FILE_ID", "MASTER_ID"]
    assert keys["master"] == ["id"]


def test_clusters_share_no_column_object_and_refer_to_their_own_tables():
    tables = schema(targets=("ngc104", "ngc6791"))
    for target in ("ngc104", "ngc6791"):
        referred = {key.column.table.name for key in tables.table(target, "phot").foreign_keys}
        assert referred == {f"{target}_fileinfo", f"{target}_master"}


def made(tables, path):
    """The stdlib's view of an SQLite file with these tables."""
    engine = create_engine(f"sqlite:///{path}")
    tables.metadata.create_all(engine)
    engine.dispose()
    return sqlite3.connect(path)


def test_column_added_to_a_definition_is_in_the_tables_of_all_clusters(definitions, tmp_path):
    with (definitions / "fileinfo.txt").open("a") as file:
        file.write("\nCCDTEMP, Float, index   # [C]\n")
    connection = made(schema(definitions, targets=("ngc104", "ngc6583")), tmp_path / "x.db")
    for target in ("ngc104", "ngc6583"):
        columns = {row[1]: row[2] for row in connection.execute(f"pragma table_info({target}_fileinfo)")}
        assert columns["CCDTEMP"] == "FLOAT"
        indexes = {row[1] for row in connection.execute(f"pragma index_list({target}_fileinfo)")}
        assert f"ix_{target}_fileinfo_ccdtemp" in indexes


def test_a_table_of_all_clusters_is_there_once_and_what_refers_to_it_keeps_its_rows(definitions, tmp_path):
    (definitions / "common" / "people.txt").write_text("id, Integer, primary\nNAME, String, required\n")
    (definitions / "notes.txt").write_text("id, Integer, primary\nWHO, Integer, references people.id\n")
    connection = made(schema(definitions, targets=("ngc104", "ngc6583")), tmp_path / "x.db")
    connection.execute("pragma foreign_keys = on")
    connection.execute("insert into people values (1, 'lead')")
    for target in ("ngc104", "ngc6583"):
        connection.execute(f"insert into {target}_notes values (1, 1)")
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        connection.execute("delete from people")


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("common/phot.txt", "id, Integer, primary\n", "phot.txt: defined for every cluster and, in common, for all"),
        ("common/people.txt", "id, Integer, primary, references master.id\n", "people.txt: id references master.id"),
    ],
)
def test_a_table_of_all_clusters_is_of_no_cluster(definitions, file, text, words):
    (definitions / file).write_text(text)
    with pytest.raises(ConfigurationError, match=words):
        schema(definitions)


def test_table_added_to_the_definitions_is_made_for_every_cluster(definitions, tmp_path):
    (definitions / "notes.txt").write_text("id, Integer, primary\nIMAGENAME, String, references fileinfo.IMAGENAME\n")
    connection = made(schema(definitions, targets=("ngc104", "ngc6583")), tmp_path / "x.db")
    assert connection.execute("select count(*) from ngc6583_notes").fetchone() == (0,)


@pytest.mark.parametrize("name", ["master", "fileinfo", "phot", "results"])
def test_table_info_equals_the_definitions(name, tmp_path):
    tables = schema()
    connection = made(tables, tmp_path / "x.db")
    defined = expand(read_definition(shipped_file("table_definitions") / f"{name}.txt"), (3, 4.5), BINS)
    types = {String: "VARCHAR", Float: "FLOAT", Integer: "INTEGER", Date: "DATE"}
    expected = [
        (c.name, types[c.type], bool(c.markers & {"required", "primary"}), "primary" in c.markers) for c in defined
    ]
    seen = [
        (row[1], row[2], bool(row[3]), bool(row[5])) for row in connection.execute(f"pragma table_info(ngc104_{name})")
    ]
    assert seen == expected


# ---- The guide, section 3.1 step 7 -----------------------------------------------------------------------------------

TABLES_OF_THE_GUIDE = [
    "ngc104_fileinfo",
    "ngc104_results",
    "ngc6583_phot",
    "ngc6791_master",
    "ngc104_master",
    "ngc6583_fileinfo",
    "ngc6583_results",
    "ngc6791_phot",
    "ngc104_phot",
    "ngc6583_master",
    "ngc6791_fileinfo",
    "ngc6791_results",
]
OURS = ["runs", "ngc104_failures", "ngc6583_failures", "ngc6791_failures"]
"""What the guide does not know yet."""


@pytest.fixture
def database_file(observatory, make_config, tmp_path, capsys):
    """As the guide says: create the database, then fill the master tables."""
    config = make_config(path_to_data=observatory / "data")
    assert uvis_external_cte.main(["database", "create", "--config", str(config)]) == 0
    assert uvis_external_cte.main(["populate_master_tables", "--config", str(config)]) == 0
    capsys.readouterr()
    return tmp_path / "database" / "uvis_external_cte.db"


def test_checks_of_the_guide_work_as_printed_there(database_file, observatory):
    connection = sqlite3.connect(database_file)
    # What .tables prints: the names but for sqlite's own.
    names = {name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")}
    assert {name for name in names if not name.startswith("sqlite_")} == {*TABLES_OF_THE_GUIDE, *OURS}

    columns = [row[1] for row in connection.execute("pragma table_info(ngc104_master);")]
    assert columns == ["id", "XPIX", "YPIX", "RA", "DEC"]

    rows = connection.execute("select id,xpix,ypix,ra,dec from ngc6583_master;").fetchall()
    catalog = (observatory / "data" / "master_cat" / "final" / "ngc6583_master.cat").read_text().splitlines()
    assert [list(map(float, line.split()[:5])) for line in catalog] == [list(row) for row in rows]
    assert len(rows) > 0


def test_columns_share_an_index_in_the_order_of_their_lines(tmp_path):
    text = "id, Integer, primary\nB, Float, index pair\nA, String, required, index pair\nC, Float, index"
    (tmp_path / "some.txt").write_text(text)
    table = Schema(["x"], (), (), folder=tmp_path).table("x", "some")
    indexes = {index.name: [column.name for column in index.columns] for index in table.indexes}
    assert indexes == {"ix_x_some_pair": ["B", "A"], "ix_x_some_c": ["C"]}
