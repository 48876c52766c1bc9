"""The first command of a new installation: folders, READMEs and a configuration that is right."""

import os
import pty
import subprocess
import sys

import pytest

from wfc3_cte_monitor.commands import uvis_external_cte
from wfc3_cte_monitor.commands.setup import default_answers, set_up
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
    said = capsys.readouterr().out
    assert str(tmp_path / "config.py") in said and "next: " in said


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


def test_what_lies_in_the_folders_stays(tmp_path):
    (tmp_path / "database").mkdir()
    (tmp_path / "database" / "README").write_text("my notes\n")
    setup("--folder", tmp_path)
    assert setup("--folder", tmp_path, "--force") == 0
    assert (tmp_path / "database" / "README").read_text() == "my notes\n"


def test_only_what_asks_for_it_keeps_a_configuration(tmp_path):
    """`simulate` adds to a folder that may have been set up before."""
    config = set_up(default_answers(tmp_path))
    config.write_text("mine = 1\n")
    assert set_up(default_answers(tmp_path), keep_config=True) == config
    assert config.read_text() == "mine = 1\n"


def test_home_is_understood_where_the_shell_leaves_it(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert setup("--folder=~/cte", "--path_to_data=~/data") == 0
    settings = read_settings(tmp_path / "cte" / "config.py")
    assert (settings.path_to_data, settings.path_to_db) == (tmp_path / "data", tmp_path / "cte" / "database")


def test_relative_answers_are_relative_to_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    setup("--folder", "new", "--path_to_data", "archive")
    assert read_settings(tmp_path / "new" / "config.py").path_to_data == tmp_path / "archive"


def test_a_dash_means_none_only_for_the_web_site(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert setup("--folder", tmp_path, "--path_to_automated_outputs", "-", "--path_to_data", "-") == 0
    settings = read_settings(tmp_path / "config.py")
    assert (settings.path_to_automated_outputs, settings.path_to_data) == (None, tmp_path / "-")


def answering(folder, typed):
    """The command on a terminal (a real one), with these keys typed."""
    ours, theirs = pty.openpty()
    command = [
        sys.executable,
        "-m",
        "wfc3_cte_monitor.commands.uvis_external_cte",
        "initial_setup",
        "--db_name",
        "x.db",
    ]
    with subprocess.Popen(
        [*command, "--folder", folder], stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        os.write(ours, typed.encode())
        out, err = process.communicate(timeout=60)
    os.close(ours)
    os.close(theirs)
    return process.returncode, out, err


def test_on_a_terminal_it_asks_what_the_options_do_not_say(tmp_path):
    code, out, _ = answering(tmp_path, f"{tmp_path}/my data\n\n\n{tmp_path}/web\n")
    assert code == 0
    assert out.count("]: ") == 4, "no question for --db_name"
    settings = read_settings(tmp_path / "config.py")
    assert (settings.path_to_data, settings.path_to_db) == (tmp_path / "my data", tmp_path / "database")
    assert (settings.path_to_automated_outputs, settings.db_name) == (tmp_path / "web", "x.db")


def test_leaving_at_a_question_makes_nothing(tmp_path):
    code, _, err = answering(tmp_path, "\n\x04")
    assert code == 2
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
