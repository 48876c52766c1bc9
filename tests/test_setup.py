import pytest

from wfc3_cte_monitor.commands import uvis_external_cte
from wfc3_cte_monitor.settings import read_settings


def setup(*arguments):
    return uvis_external_cte.main(["initial_setup", *map(str, arguments)])


def test_defaults_make_everything_in_one_folder(tmp_path, capsys):
    assert setup("--folder", tmp_path) == 0
    settings = read_settings(tmp_path / "config.py")
    assert settings.path_to_data == tmp_path / "data"
    assert settings.path_to_automated_outputs is None
    for folder in ("data/newdata", "data/master_cat/final", "data/PA_MAPS", "database"):
        assert (tmp_path / folder / "README").read_text().strip()
    for folder in ("finalresults", "photom", "tempfiles", "tweakreg"):
        assert (tmp_path / "outputs" / folder / "README").read_text().strip()
    assert str(tmp_path / "config.py") in capsys.readouterr().out


@pytest.mark.parametrize("name", ["plain", "with space", "quote's", 'double"quote', "back\\slash", "ünïcode", "a\\1b"])
def test_every_answer_is_a_flag_and_any_path_survives(tmp_path, name):
    home = tmp_path / name
    flags = ("--path_to_data", home / "d", "--path_to_outputs", home / "o", "--path_to_db", home / "b")
    more = ("--db_name", "x.db", "--path_to_automated_outputs", home / "web")
    assert setup("--folder", home, *flags, *more) == 0
    settings = read_settings(home / "config.py")
    assert (settings.path_to_data, settings.path_to_db, settings.db_name) == (home / "d", home / "b", "x.db")
    assert settings.path_to_automated_outputs == home / "web"
    assert (home / "o" / "photom" / "README").exists()


def test_a_configuration_that_exists_is_not_replaced_unless_forced(tmp_path, capsys):
    setup("--folder", tmp_path)
    (tmp_path / "config.py").write_text("mine = 1\n")
    assert setup("--folder", tmp_path) == 2
    assert "--force" in capsys.readouterr().err
    assert (tmp_path / "config.py").read_text() == "mine = 1\n"
    assert setup("--folder", tmp_path, "--force") == 0
    assert read_settings(tmp_path / "config.py").db_name == "uvis_external_cte.db"


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert setup("--folder", tmp_path / "file") == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "file" in error


def test_from_setup_to_filled_master_tables(tmp_path, capsys):
    setup("--folder", tmp_path)
    config = ("--config", str(tmp_path / "config.py"))
    assert uvis_external_cte.main(["database", "create", *config]) == 0
    assert "ngc6583_master" in capsys.readouterr().out
    for target in ("ngc104", "ngc6791"):
        (tmp_path / "data/master_cat/final" / f"{target}_master.cat").write_text("1 1 1 5 -72\n")
    assert uvis_external_cte.main(["populate_master_tables", *config]) == 1
    streams = capsys.readouterr()
    assert "ngc6583_master.cat" in streams.err, "the catalogue that is missing is named"
    assert "ngc104_master: 1 stars" in streams.out
