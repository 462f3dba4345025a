"""The wheel, installed in an environment of its own and run from an empty folder: finds its data, runs the recipe."""
import json, os, shutil, subprocess, sys, sysconfig, zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
OFFLINE = {'HF_HUB_OFFLINE': '1', 'HF_DATASETS_OFFLINE': '1', 'TOKENIZERS_PARALLELISM': 'false', 'OMP_NUM_THREADS': '1'}

def run(*command, cwd, home, seconds=600):
    "Run `command` with an empty home and none of this shell's variables that could lead back to the checkout."
    env = {'PATH': os.environ['PATH'], 'HOME': str(home), 'LANG': 'C.UTF-8', **OFFLINE}
    done = subprocess.run([str(part) for part in command], cwd=cwd, env=env, capture_output=True, text=True, timeout=seconds)
    assert done.returncode == 0, f'{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}'
    return done.stdout

@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
    "Path of the wheel, built from a copy: an old build folder in the checkout could hide a file that is missing."
    source, built = tmp_path_factory.mktemp('source'), tmp_path_factory.mktemp('wheel')
    for name in ('pyproject.toml', 'README.md', 'LICENSE'): shutil.copy(ROOT/name, source)
    for name in ('alpaca_course', 'data'): shutil.copytree(ROOT/name, source/name, ignore=shutil.ignore_patterns('__pycache__'))
    run(sys.executable, '-m', 'build', '--wheel', '--no-isolation', '--outdir', built, source, cwd=source, home=source)
    return next(built.glob('*.whl'))

@pytest.fixture(scope='module')
def installed(wheel, tmp_path_factory):
    "An environment with the wheel alone; a .pth lends it the packages of this one, but not the checkout installed there."
    folder = tmp_path_factory.mktemp('installed')/'env'
    run(sys.executable, '-m', 'venv', '--without-pip', folder, cwd=folder.parent, home=folder.parent)
    run(sys.executable, '-m', 'pip', '--python', folder/'bin/python', 'install', '--no-deps', '--no-index', wheel, cwd=folder.parent, home=folder.parent)
    packages = next(folder.glob('lib/python*/site-packages'))
    (packages/'lent.pth').write_text(sysconfig.get_path('purelib') + '\n')
    return folder

@pytest.fixture
def empty(tmp_path):
    "An empty folder to work in and an empty home beside it."
    for name in ('here', 'home'): (tmp_path/name).mkdir()
    return {'cwd': tmp_path/'here', 'home': tmp_path/'home'}

def test_wheel_holds_every_module_and_data_file(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    modules = {f'alpaca_course/{path.relative_to(ROOT/"alpaca_course")}' for path in ROOT.glob('alpaca_course/**/*.py')}
    data = {f'alpaca_course/data/{path.relative_to(ROOT/"data")}' for path in ROOT.glob('data/**/*') if path.is_file()}
    assert data and modules | data <= names
    assert not [name for name in names if name.split('/')[0] not in ('alpaca_course', wheel.name.rsplit('-py3', 1)[0] + '.dist-info')]

def test_installed_package_is_not_the_checkout(installed, empty):
    assert Path(run(installed/'bin/python', '-c', 'import alpaca_course; print(alpaca_course.__file__)', **empty).strip()).is_relative_to(installed)

def test_installed_package_finds_its_data(installed, empty):
    code = 'from alpaca_course.microworld import data_folder; print(data_folder())'
    folder = Path(run(installed/'bin/python', '-c', code, **empty).strip())
    assert folder.is_relative_to(installed)
    assert {path.name for path in folder.iterdir()} >= {path.name for path in (ROOT/'data').iterdir()}

def test_installed_package_runs_the_recipe_from_an_empty_folder(installed, empty):
    run(installed/'bin/alpaca-course', 'course', '--quick', '--out', 'made', **empty)
    made = empty['cwd']/'made'
    assert json.loads((made/'results.json').read_text())
    assert '<html' in (made/'report.html').read_text(encoding='utf-8')[:500].lower()
    assert {path.name for path in empty['cwd'].iterdir()} == {'made'}, 'files were left outside the folder that --out names'
