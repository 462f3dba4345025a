"""What no notebook can test: imports without torch, README and tables up to date, pins, data cards."""
import ast, configparser, hashlib, importlib.metadata, importlib.util, json, os, re, subprocess, sys, tomllib
from collections import Counter
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
COMMAND = Path(sys.executable).parent/'alpaca-course'
FOLDERS = ('', 'grading/') # of nbs/ and of alpaca_course/: the lessons, and the instructor's half
LESSONS = [path for folder in FOLDERS for path in sorted(ROOT.glob(f'nbs/{folder}[0-9][0-9]_*.ipynb'))]
MODULES = [path for folder in FOLDERS for path in sorted(ROOT.glob(f'alpaca_course/{folder}*.py')) if path.name[0] != '_']
PROJECT = tomllib.loads((ROOT/'pyproject.toml').read_text())['project']

def cells(notebook, kind): return [''.join(cell['source']) for cell in json.loads(notebook.read_text())['cells'] if cell['cell_type'] == kind]

def tracked():
    "What git holds or would hold: paths below the top folder."
    listed = subprocess.run(['git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard'], cwd=ROOT, capture_output=True, check=True)
    return [ROOT/name for name in listed.stdout.decode().split('\0') if name and (ROOT/name).is_file()]


# ---- torch stays out
def ran(*command):
    "The finished process of a command that has to succeed."
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done

def subcommands():
    "The names in the `{course,...}` that argparse prints."
    usage = ran(COMMAND, '--help').stdout
    names = re.search(r'\{([a-z_,-]+)\}', usage)
    assert names, f'no subcommands in:\n{usage}'
    return names[1].split(',')

def modules(*command):
    "(output, modules imported) of a Python command, by Python's own report."
    done = ran(sys.executable, '-X', 'importtime', *command)
    return done.stdout, [line.split('|')[-1].strip() for line in done.stderr.splitlines() if line.startswith('import time:')]

def test_import_is_torch_free():
    found = modules('-c', 'import alpaca_course')[1]
    assert 'alpaca_course' in found and not [name for name in found if name.split('.')[0] == 'torch']

def test_help_is_torch_free_and_light():
    "The seconds are measured by benchmarks/start.py; here modules are counted, which no busy machine changes."
    names, torch = subcommands(), len(modules('-c', 'import torch')[1])
    assert 'course' in names
    for name in names:
        said, found = modules(COMMAND, name, '--help')
        assert name in said and 'alpaca_course' in found
        assert not {module.split('.')[0] for module in found} & {'torch', 'transformers', 'peft', 'datasets', 'evaluate', 'matplotlib'}, name
        assert len(found) < torch / 3, f'{name} --help imports {len(found)} modules, `import torch` {torch}'

def test_unknown_command_is_an_error_without_traceback():
    done = subprocess.run([COMMAND, 'no-such-command'], capture_output=True, text=True)
    assert done.returncode == 2 and 'Traceback' not in done.stderr and 'no-such-command' in done.stderr


# ---- README and lessons
def readme_tool():
    spec = importlib.util.spec_from_file_location('readme_tool', ROOT/'tools/readme.py')
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    return tool

README = (ROOT/'README.md').read_text()

def test_readme_is_fresh(): assert README == readme_tool().readme_text(), 'run `make readme`'

def test_readme_links_exist():
    links = [link for link in re.findall(r'\]\(([^)\s]+)\)|src="([^"]+)"', README) for link in link if link]
    missing = [link for link in links if not re.match(r'https?:|#', link) and not (ROOT/link.split('#')[0]).exists()]
    assert links and not missing

def test_readme_names_only_targets_that_exist():
    targets = set(re.findall(r'^([a-z-]+):', (ROOT/'Makefile').read_text(), re.M))
    assert {'course', 'test', 'lab'} <= targets
    assert set(re.findall(r'(?:`|^)make ([a-z-]+)', README, re.M)) <= targets

def test_tree_names_only_folders_that_exist():
    tree = re.search(r'```(?:text)?\n(nbs/.*?)```', README, re.S)[1]
    names = [line.split()[0] for line in tree.splitlines()]
    assert [name for name in names if not (ROOT/name).exists()] == []

def test_lessons_are_numbered_without_a_gap():
    for folder, count in zip(FOLDERS, (53, 48)):
        assert [path.name[:2] for path in sorted(ROOT.glob(f'nbs/{folder}[0-9][0-9]_*.ipynb'))] == [f'{i:02}' for i in range(count)]

def test_every_lesson_is_in_the_table():
    assert re.findall(r'^\| \d\d \| \[[^]]+\]\((nbs/(?:\w+/)?\d\d_\w+\.ipynb)\) \|', README, re.M) == [path.relative_to(ROOT).as_posix() for path in LESSONS]

def test_each_module_comes_from_one_lesson():
    sources = {}
    for path in LESSONS:
        names = re.findall(r'^#\| *default_exp +(\S+)', '\n'.join(cells(path, 'code')), re.M)
        assert len(names) == (0 if path.name == '00_tour.ipynb' else 1), path.name
        if names: sources[f"{names[0].replace('.', '/')}.py"] = path.relative_to(ROOT).as_posix()
    modules = {path.relative_to(ROOT/'alpaca_course').as_posix(): path for path in MODULES}
    assert modules.keys() == sources.keys()
    for name, path in modules.items(): assert sources[name] in path.read_text(), f'{name} was not exported from its lesson'

def test_lessons_are_small_and_hold_no_errors():
    for path in LESSONS:
        assert path.stat().st_size < 100_000, path.name
        outputs = [output for cell in json.loads(path.read_text())['cells'] for output in cell.get('outputs', [])]
        assert not [output for output in outputs if output['output_type'] == 'error'], path.name

def test_no_folder_is_left_out_of_the_notebook_tests(): assert not [path for path in tracked() if path.name == '.notest']


# ---- what files may say
def test_no_words_of_one_machine():
    words = ['/wo' + 'rk/', '/ro' + 'ot/', 'py' + 'pi.org', 'pythonhos' + 'ted', 'download.pyt' + 'orch.org', 'TODO' + '-LEAD']
    found = {}
    for path in tracked():
        text = path.read_bytes()
        hits = [word for word in words if word.encode() in text]
        if hits: found[str(path.relative_to(ROOT))] = hits
    assert not found

def test_version_is_the_same_everywhere():
    settings = configparser.ConfigParser()
    settings.read(ROOT/'settings.ini')
    assert importlib.metadata.version('alpaca-course') == settings['DEFAULT']['version']


# ---- packages
PINS = {canonicalize_name(name): version for name, version in re.findall(r'^([\w.-]+)==(\S+)$', (ROOT/'constraints.txt').read_text(), re.M)}

def requirements():
    "Every package that the project and all its extras need, at any depth as far as installed here; canonical names."
    todo = [Requirement(line) for line in PROJECT['dependencies'] + sum(PROJECT['optional-dependencies'].values(), [])]
    seen, names = set(), set()
    while todo:
        wanted = todo.pop()
        name = canonicalize_name(wanted.name)
        names.add(name)
        if (name, *sorted(wanted.extras)) in seen: continue
        seen.add((name, *sorted(wanted.extras)))
        try: lines = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError: continue  # of an extra that is not installed: its own pin is all there is to test
        for needed in map(Requirement, lines):
            if needed.marker is None or any(needed.marker.evaluate({'extra': extra}) for extra in wanted.extras | {''}): todo.append(needed)
    return names

def test_every_line_of_the_constraints_is_a_pin():
    lines = [line for line in (ROOT/'constraints.txt').read_text().splitlines() if line and line[0] != '#']
    assert len(lines) == len(PINS)

def test_every_dependency_is_pinned(): assert requirements() - PINS.keys() == set()

def test_installed_versions_are_the_pinned_ones():
    installed = {canonicalize_name(found.metadata['Name']): found.version.split('+')[0] for found in importlib.metadata.distributions()}
    assert {name: installed[name] for name in requirements() & installed.keys() if installed[name] != PINS[name]} == {}

def imported(path):
    "Top-level names of the packages that a module imports, wherever in the file."
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import): yield from (alias.name.split('.')[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level: yield node.module.split('.')[0]

def test_nothing_is_defined_twice_in_a_module():
    for path in MODULES:
        names = Counter(node.name for node in ast.parse(path.read_text()).body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and not node.decorator_list)
        assert not [name for name, n in names.items() if n > 1], path.name

def test_what_the_library_imports_is_a_runtime_dependency():
    named = {'pyyaml': 'yaml', 'ipython': 'IPython'} # packages imported under another name
    lines = PROJECT['dependencies'] + PROJECT['optional-dependencies']['files'] # the latter for .pdf only
    declared = {named.get(name, name) for name in (Requirement(line).name for line in lines)} | {'alpaca_course'} | set(sys.stdlib_module_names)
    undeclared = {path.name: sorted(set(imported(path)) - declared) for path in MODULES}
    assert not {name: missing for name, missing in undeclared.items() if missing}


# ---- data
def test_every_data_file_has_a_card_with_its_hash():
    files = {path for path in tracked() if path.is_relative_to(ROOT/'data')} - {ROOT/'data/README.md'}
    actual = {path.relative_to(ROOT/'data').as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()[:12] for path in files}
    rows = re.findall(r'^\| `([^`]+)` \| .+ \| .+ \| .+ \| `([0-9a-f]{12})` \|$', (ROOT/'data/README.md').read_text(), re.M)
    assert actual and dict(rows) == actual
