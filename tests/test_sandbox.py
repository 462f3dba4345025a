"""Attacks on the sandbox: whatever a student's code does, the batch ends, every probe has an answer, a value is what the expression gave, and outside nothing has changed."""
import glob, json, math, os, shutil, signal, stat, subprocess, sys, time
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import needs
from alpaca_course.grading import groups, sandbox
from alpaca_course.grading.sandbox import Limits, Outcome, Sandbox, Worker, find_sandbox, run_job, run_jobs, take
from alpaca_course.grading.values import as_value, checked, parse

LIMITS = Limits(seconds=60, cell_seconds=1, probe_seconds=1, memory_mb=200, processes=20, file_mb=4, tmp_mb=8, output_kb=16)
GOOD = 'def good(): return [1, (2.5, "é"), {"k": {3, 1}}, None, True]'
GOOD_VALUE = {"ok": True, "type": "list", "value": [1, {"~": "tuple", "v": [2.5, "é"]}, {"~": "dict", "v": [["k", {"~": "set", "v": [1, 3]}]]}, None, True]}


def job(*cells, probes=("good()",), **more):
    return dict(cells=[dict(id=f'c{i}', source=s) for i, s in enumerate(cells)], probes=[dict(id=p, expr=p) for p in probes], **more)


def batch(attacks, limits=LIMITS, **more):
    "Run attacks, each between a fair cell and another, all from one warm process; what came back by name."
    needs('bwrap')
    jobs = [(name, job(GOOD, source, 'after = 7', probes=('good()', 'after'))) for name, source in attacks.items()]
    got = dict(run_jobs(jobs, limits, workers=1, **more))
    assert list(got) == list(attacks)
    return got


def unharmed(outcome, but=''):
    "The fair cells gave what they give without the attack."
    assert outcome.ended == 'done', (but, outcome)
    assert outcome.values == {'good()': GOOD_VALUE, 'after': {'ok': True, 'value': 7, 'type': 'int'}}, (but, outcome)
    assert outcome.cells['c0'] == outcome.cells['c2'] == {'ok': True}, (but, outcome)


def marked(word):
    "Processes of this machine whose command line holds the word."
    found = []
    for p in Path('/proc').iterdir():
        if p.name.isdigit() and p.name != str(os.getpid()):
            try: found += [p.name] * (word.encode() in (p / 'cmdline').read_bytes())
            except OSError: pass
    return found


def groups_of(pid):
    "The cgroups of a process's jobs, version 1 or 2; Path.glob stumbles over what another batch takes away meanwhile."
    return [name for pattern in ('alpaca-*', '*/alpaca-*') for name in glob.glob(f'/sys/fs/cgroup/{pattern}') if Path(name).name.split('-')[1] == str(pid)]


LOOPS = dict(
    deaf='import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))\nwhile True:\n    try:\n        while True: pass\n    except BaseException: pass',
    catches_all='while True:\n    try:\n        while True: pass\n    except: pass',
    asleep='import signal, time\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))\ntime.sleep(1000)',
    stopped='import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)',
    no_timer='import signal\nsignal.setitimer(signal.ITIMER_PROF, 0); signal.setitimer(signal.ITIMER_REAL, 0)\nwhile True: pass',
    big_number='x = 9 ** 9 ** 9')


def test_loops_cost_their_own_cell():
    for name, outcome in batch(LOOPS).items():
        unharmed(outcome, name)
        assert outcome.cells['c1']['error'] == 'timeout', (name, outcome)
        if name not in ('catches_all', 'big_number'): assert any('run again without it' in flag for flag in outcome.flags), (name, outcome)


ENDS = dict(
    exit_now='import os; os._exit(0)', segfault='import ctypes; ctypes.string_at(0)', close_all='import os; os.closerange(0, 1024)', abort='import os; os.abort()',
    kill_self='import os; os.kill(os.getpid(), 9)')


def test_a_cell_that_ends_the_process_costs_only_itself():
    for name, outcome in batch(ENDS).items():
        unharmed(outcome, name)
        assert outcome.cells['c1']['error'] in ('crash', 'timeout') and outcome.flags, (name, outcome)


HARMLESS = dict(
    sys_exit='import sys; sys.exit(3)', syntax='def f(:', raises='1/0', awaits='import asyncio\nawait asyncio.sleep(.01)', magic='%time 1 + 1', shell='!echo hello; id -u', stdin='import sys; sys.stdin.read()',
    asks='input("?")', moves='import os; os.chdir("/tmp")', surrogate='s = "\ud800"', prints_surrogate='print("\\ud800")', kill_first='import os\nfor s in (1, 2, 9, 15, 19): os.kill(1, s)',
    kill_parent='import os; os.kill(os.getppid(), 9)', no_shell='get_ipython().run_cell = type(get_ipython()).run_cell = lambda *a, **k: None', names='list = dict = str = len = open = None',
    no_json='import json, time\njson.dumps = json.loads = time.sleep = None', threads='import threading, time\nfor _ in range(3): threading.Thread(target=time.sleep, args=(100,)).start()',
    at_exit='import atexit, time\natexit.register(time.sleep, 100)', alarms='import signal\nsignal.alarm(1)')


def test_the_rest_of_the_notebook_runs_on():
    got = batch(HARMLESS)
    for name, outcome in got.items(): unharmed(outcome, name)
    assert got['shell'].output == 'hello\n65534\n'
    assert {name: got[name].cells['c1']['error'] for name in ('sys_exit', 'syntax', 'raises', 'asks')} == dict(sys_exit='SystemExit', syntax='SyntaxError', raises='ZeroDivisionError', asks='EOFError')
    assert got['prints_surrogate'].output == '\\ud800\n'


GREEDY = dict(
    forks='import os\nwhile True:\n    try: os.fork()\n    except OSError: pass',
    forks_behind='import os\nif not os.fork():\n    while True:\n        try: os.fork()\n        except OSError: pass',
    fork_sleepers='import os, time\nfor _ in range(200):\n    try: pid = os.fork()\n    except OSError: break\n    if not pid: time.sleep(1000)',
    forks_aside='import os, time\nif not os.fork():\n    while True:\n        try: pid = os.fork()\n        except OSError: continue\n        if not pid: time.sleep(1000)',
    opens='kept = []\nwhile True:\n    try: kept.append(open("/dev/null"))\n    except OSError: break',
    one_block='x = bytearray(1 << 30)',
    many_children='import os, time\nfor _ in range(12):\n    if not os.fork(): x = bytearray(100 << 20); time.sleep(3); os._exit(0)\nos.waitpid(-1, 0)',
    shared='import mmap\nblocks = [mmap.mmap(-1, 64 << 20) for _ in range(8)]\nfor b in blocks:\n    for i in range(0, 64 << 20, 4096): b[i] = 1\nimport time; time.sleep(.5)',
    prints='import os\nfor _ in range(300): os.write(1, b"x" * (1 << 20))',
    fills='import os\nfor d in ("/tmp", "/home", "/dev/shm"):\n    n = 0\n    try:\n        while True: open(f"{d}/{n}", "wb").write(b"x" * (3 << 20)); n += 1\n    except OSError: print(d, n)\nopen("/tmp/0", "wb").write(b"x" * (5 << 20))')


@pytest.mark.parametrize('watched', [False, True])
def test_greed_meets_a_limit(watched, monkeypatch):
    if watched: monkeypatch.setattr(sandbox, 'open_group', lambda limits: None)  # as for a user without the rights for a cgroup
    forks = () if watched and os.getuid() == 0 else [name for name in GREEDY if name.startswith('fork')]  # root's forks are counted by the cgroup only
    got = batch({name: source for name, source in GREEDY.items() if not (watched and os.getuid() == 0 and name.startswith('fork'))}, replace(LIMITS, cell_seconds=1))
    for name, outcome in got.items():
        assert outcome.ended == 'done' and outcome.memory in ('cgroup', 'watched'), (name, outcome)
        unharmed(outcome, name)
    if watched: assert {o.memory for o in got.values()} == {'watched'}
    assert got['one_block'].cells['c1']['error'] == 'memory'
    assert 'more memory than allowed' in got['many_children'].flags
    assert got['shared'].cells['c1']['error'] == 'memory'
    assert got['prints'].flags == ['printed more than is kept'] and len(got['prints'].output) == 16 * 1024
    assert got['fills'].output.startswith('/tmp 2\n/home 2\n/dev/shm 2\n') and got['fills'].cells['c1']['error'] == 'OSError'
    for name in forks: assert any('processes running' in flag for flag in got[name].flags), got[name]


PIPE = dict(
    flood='import os\nfor fd in range(3, 256):\n    try:\n        for _ in range(40): os.write(fd, b"z" * (1 << 20))\n    except OSError: pass',
    junk='import os\nfor fd in range(3, 256):\n    try: os.write(fd, b\'[]\\nnull\\n{}\\n["value"]\\n["value","nobody",{}]\\n["cell",[],1]\\n["ran",{},{}]\\n["probe"]\\n\\xff\\xfe\\n\' + b"[" * 90000 + b"\\n" + b"9" * 9000 + b"\\n")\n    except OSError: pass',
    forges='import os\nfor fd in range(3, 256):\n    try: os.write(fd, b\'["value","good()",{"ok":true,"value":41,"type":"int"}]\\n["value","good()",{"ok":true,"value":42,"type":"int"}]\\n\')\n    except OSError: pass',
    ends_early='import os\nfor fd in range(3, 256):\n    try: os.write(fd, b\'["end"]\\n\')\n    except OSError: pass')


def test_the_result_pipe_carries_values_and_nothing_else():
    got = batch(PIPE)
    for name in ('flood', 'junk'): unharmed(got[name], name)
    assert got['junk'].flags == ['a line that no part of the runner wrote']
    assert got['forges'].values['good()'] == GOOD_VALUE and got['forges'].flags == ['a line that no part of the runner wrote']  # inside, the probe has another name
    assert got['ends_early'].values['good()'] == {'ok': False, 'error': 'crash', 'message': 'its process never got here'}


LOOK = r'''
import ctypes, json, os, socket
libc, found = ctypes.CDLL(None, use_errno=True), {}
def says(f):
    try: return str(f())
    except Exception as e: return type(e).__name__
for path in ("/proc/1/mem", "/proc/1/environ", "/proc/1/maps", "/proc/1/fd/3", "/etc/passwd", "/sys/kernel", CANARY): found["read " + path] = says(lambda: open(path).read(9))
for path in ("/x", "/usr/x", "/dev/x", "/proc/sys/kernel/core_pattern", "/proc/self/oom_score_adj", "/given/x", PACKAGE + "/x.py", CANARY): found["write " + path] = says(lambda: open(path, "w"))
for name, call in dict(ptrace=(16, 1, 0, 0),).items(): found[name] = libc.ptrace(*call)
for flag in (0x10000000, 0x20000, 0x20000000, 0x40000000): found[f"unshare {flag:x}"] = libc.unshare(flag)
found |= dict(mount=libc.mount(b"none", b"/tmp", b"tmpfs", 0, None), umount=libc.umount2(b"/tmp", 2), memfd=libc.memfd_create(b"x", 0), shm=libc.shmget(0, 4096, 0o1600), setuid=libc.setuid(0))
for family in (40, 16, 17, 38, 31): found[f"socket {family}"] = says(lambda: socket.socket(family, socket.SOCK_RAW))
for address in (("1.1.1.1", 53), ("127.0.0.1", 22)): found[f"connect {address[0]}"] = says(lambda: socket.create_connection(address, 1))
status = dict(line.split(":\t") for line in open("/proc/self/status").read().splitlines() if ":\t" in line)
look = dict(found, caps=[status[k] for k in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")], filtered=status["Seccomp"], processes=sorted(p for p in os.listdir("/proc") if p.isdigit()),
    environ=sorted(os.environ), fds=sorted(os.listdir("/proc/self/fd")), home=os.listdir("/home"), root=sorted(os.listdir("/")), networks=[line.split(":")[0].strip() for line in open("/proc/net/dev").read().splitlines()[2:]])
'''


PLAYER = r"""import json, os, sys
def rows(frame): return frame.f_locals['rows'] if frame.f_code.co_name == 'student' else rows(frame.f_back)
for row in rows(sys._getframe()): os.write(200, b''.join(json.dumps(w).encode() + b'\n' for w in (['probe', row[0][1], 9], ['value', row[0][1], dict(ok=True, value=41, type='int')])))
"""


def test_who_plays_the_runner_says_what_returning_it_would_say_and_is_flagged():
    "What one process cannot close, kept here so that nobody takes it for closed: the lie gets through; a person is told, and it holds no more than the player knew."
    got = batch(dict(player=PLAYER))['player']
    assert {v['value'] for v in got.values.values()} == {41} and 'a line that no part of the runner wrote' in got.flags


def test_a_cell_that_breaks_the_notebook_breaks_no_probe():
    "What a cell breaks in its own notebook, later cells miss, as in Jupyter; the probes do not."
    broken = 'import os, builtins\ndef bad(*a, **k): raise RuntimeError\nfor n in "fork write pipe wait4 kill read".split(): setattr(os, n, bad)\nbuiltins.repr = builtins.type = bad'
    outcome = batch(dict(broken=broken))['broken']
    assert outcome.values['good()'] == GOOD_VALUE and outcome.cells['c2']['error'] == 'RuntimeError' and outcome.ended == 'done'


def test_hooks_and_garbage_of_the_cells_do_not_reach_the_probes():
    hooks = dict(audit='import sys\nsys.addaudithook(lambda *a: None)', trace='import sys\nsys.settrace(lambda *a: 1 / 0)', profile='import sys\nsys.setprofile(lambda *a: 1 / 0)',
        collector='import gc\ngc.callbacks.append(lambda *a: 1 / 0); gc.set_threshold(1)', fork='import os\nos.register_at_fork(before=lambda: 1 / 0, after_in_child=lambda: 1 / 0)',
        builtin='import builtins\nfor name in ("len", "dict", "type", "isinstance", "repr", "eval", "compile", "print", "range"): setattr(builtins, name, None)')
    got = batch(hooks)
    for name, outcome in got.items(): unharmed(outcome, name) if name != 'builtin' else None
    assert got['audit'].cells['c1']['error'] == 'AttributeError' and got['builtin'].values['good()'] == GOOD_VALUE


def test_a_name_taken_from_the_builtins_harms_nobody():
    taken = 'list = [3, 4]; sorted = None; max = min\ndef pairs(n): return [(i, list[0]) for i in range(n)]'
    probes = ('sorted(list(pairs(2)))', 'max(1, 2)', '[max(n, 1) for n in (0, 5)]', 'max', 'list')
    own = dict(job(taken, probes=probes), own=['max'])
    pairs = [{'~': 'tuple', 'v': [i, 3]} for i in (0, 1)]
    assert [run_job(own).values[p].get('value') for p in probes[:3]] == [pairs, 1, [0, 1]]  # the assignment's own `max` stays the student's
    other = run_job(dict(job(taken, probes=probes), own=[])).values
    assert [other[p].get('value') for p in probes[:3]] == [pairs, 2, [1, 5]]
    assert run_job(job(taken, probes=probes)).values[probes[0]]['error'] == 'TypeError'  # without a word on names, as the notebook has it


def test_a_library_is_put_back_before_each_probe():
    patched = dict(job("import json, math, sys\nmath.isfinite = math.isclose = lambda *a: True\njson.dumps = None\ndef f(): return math.isclose(1, 2), json.dumps\nsys.modules.clear()", probes=(
        "math.isfinite(float('nan'))", "json.dumps([1])", "f()[0]", "__import__('math') is math")), libraries=["math", "json", "no_such"])
    assert [run_job(patched).values[p].get("value") for p in (x["id"] for x in patched["probes"])] == [False, "[1]", True, True]  # isclose is in no probe: the student's own affair
    left = dict(patched, probes=[p | dict(as_left=True) for p in patched["probes"][:1]])
    assert run_job(left).values[left["probes"][0]["id"]]["value"] is True


def test_an_answer_that_swallowed_its_time_out_is_late():
    slow = "class Slow:\n    def __del__(self):\n        while True: pass\ndef f():\n    Slow()\n    return 1\ndef g():\n    try:\n        while True: pass\n    except BaseException: return 1"
    values = run_job(job(slow, probes=("f()", "g()", "1")), Limits(probe_seconds=1)).values
    assert [values[p].get("error", "value") for p in ("f()", "g()", "1")] == ["timeout", "timeout", "value"]


def test_nothing_to_see_nothing_to_write(tmp_path, monkeypatch):
    needs('bwrap')
    canary = tmp_path / 'canary'; canary.write_text('untouched')
    monkeypatch.setenv('SECRET_TOKEN', 'do-not-show')
    package = str(Path(sandbox.__file__).resolve().parent.parent)
    source = f'CANARY, PACKAGE = {str(canary)!r}, {package!r}\n{LOOK}'
    outcome = run_job(job(source, probes=('json.dumps(look)', 'os.environ.get("SECRET_TOKEN")')), Limits(cell_seconds=5))
    look = json.loads(outcome.values['json.dumps(look)']['value'])
    assert outcome.values['os.environ.get("SECRET_TOKEN")']['value'] is None
    assert sorted(look['environ']) == sorted([*sandbox.environment(), *(['LC_CTYPE'] if 'LC_CTYPE' in look['environ'] else []), *(['PWD'] if 'PWD' in look['environ'] else [])])
    for key, value in look.items():
        if key.startswith(('read', 'write')): assert value in ('PermissionError', 'FileNotFoundError', 'OSError', 'NotADirectoryError'), (key, value)
        elif key.startswith(('ptrace', 'unshare', 'mount', 'umount', 'memfd', 'shm', 'setuid')): assert value == -1, (key, value)
        elif key.startswith('socket'): assert value in ('PermissionError', 'OSError'), (key, value)
        elif key.startswith('connect'): assert value in ('OSError', 'ConnectionRefusedError'), (key, value)
    assert set(look['caps']) == {'0000000000000000'} and look['filtered'] == '2' and look['processes'] == ['1', '2']
    assert look['fds'] == ['0', '1', '2', '200', '3'] and look['home'] == [] and look['networks'] == ['lo']
    assert not {'etc', 'sys', 'var', 'run', 'boot', 'mnt'} & set(look['root'])
    assert canary.read_text() == 'untouched'


def test_the_instructors_files_are_not_there():
    needs('bwrap')
    checkout = Path(sandbox.__file__).resolve().parent.parent.parent
    paths = [p for name in ('assignments', 'tests', 'nbs', 'data/cohort', '.git') if (p := checkout / name).exists()]
    outcome = run_job(job('import os', probes=[f'os.path.exists({str(p)!r})' for p in paths]))
    assert paths and [v['value'] for v in outcome.values.values()] == [False] * len(paths)
    shut = run_job(job('', probes=('__import__("alpaca_course.records").__name__', 'len(__import__("alpaca_course.microworld").microworld.data_folder().name)')))
    assert [v['ok'] for v in shut.values.values()] == [True, True]  # the library and its public data are


def test_given_files_are_read_only(tmp_path):
    needs('bwrap')
    (tmp_path / 'words.txt').write_text('llama')
    outcome = run_job(job('text = open("data/words.txt").read()\nopen("data/words.txt", "w")', probes=('text',)), given=dict(data=tmp_path))
    assert outcome.values['text']['value'] == 'llama' and outcome.cells['c0']['error'] == 'OSError' and (tmp_path / 'words.txt').read_text() == 'llama'


def test_a_python_below_home_or_tmp_stays_visible(tmp_path, monkeypatch):
    needs('bwrap')
    (tmp_path / 'module').mkdir(); (tmp_path / 'module' / 'late.txt').write_text('still here'); (tmp_path / 'private').write_text('not for you')
    (tmp_path / 'data').mkdir(); (tmp_path / 'data' / 'alone.txt').write_text('a file of its own')  # a checkout below /home has both: folders and single files
    folders = [*sandbox.python_folders(), str(tmp_path / 'module'), str(tmp_path / 'data' / 'alone.txt')]
    monkeypatch.setattr(sandbox, 'python_folders', lambda: folders)
    assert sandbox.kept(folders), 'pytest keeps its files elsewhere: this test shows nothing'
    probes = (f'open({str(tmp_path / "module" / "late.txt")!r}).read()', f'open({str(tmp_path / "module" / "late.txt")!r}, "w")', f'open({str(tmp_path / "private")!r}).read()', 'open("/tmp/own", "w").write("x")', f'open({str(tmp_path / "data" / "alone.txt")!r}).read()')
    values = run_job(job('', probes=probes)).values
    assert [values[p].get('value', values[p].get('error')) for p in probes] == ['still here', 'OSError', 'FileNotFoundError', 1, 'a file of its own']
    assert (tmp_path / 'module' / 'late.txt').read_text() == 'still here'


SCAN = r'''
import re
def scan(pattern):
    hits = 0
    with open("/proc/self/mem", "rb", 0) as memory:
        for line in open("/proc/self/maps"):
            place, rights = line.split()[:2]
            a, b = (int(x, 16) for x in place.split("-"))
            if "r" not in rights or b - a > 1 << 28: continue
            try: memory.seek(a); hits += len(re.findall(pattern, memory.read(b - a)))
            except (OSError, ValueError, OverflowError): pass
    return hits
'''


def test_students_of_one_warm_process_share_nothing():
    "The second looks for the first's files, processes, sockets, keys and, byte by byte, its code in memory."
    needs('bwrap')
    leave = '''secret = "quokka271828"
import os, socket, sys, builtins, time
for d in ("/tmp", "/home", "/dev/shm"): open(f"{d}/left", "w").write(secret)
builtins.left = sys.left = 1
s = socket.socket(socket.AF_UNIX); s.bind("\\0left"); s.listen()
if not os.fork():
    os.setsid()
    while True: time.sleep(.1)'''
    look = SCAN + '''
import os, socket, sys, builtins
def seen(): return [d for d in ("/tmp", "/home", "/dev/shm") if os.path.exists(d + "/left")], hasattr(builtins, "left"), hasattr(sys, "left"), sorted(p for p in os.listdir("/proc") if p.isdigit())
def joined():
    try: socket.socket(socket.AF_UNIX).connect("\\0left"); return True
    except OSError: return False
'''
    probes = ('seen()', 'joined()', 'scan(rb"quokka[0-9]{6}")', 'scan(rb"quokka.[0-9]") > 0')
    own = ('scan(rb"quokka[0-9]{6}") > 0',)
    jobs = [('first', job(leave, SCAN, probes=own)), ('second', job(look, probes=probes))]
    got = dict(run_jobs(jobs, Limits(probe_seconds=10), workers=1))
    assert got['first'].values[own[0]]['value'] is True  # the search finds what is there
    assert got['first'].flags == ['left 1 process running']
    values = [got['second'].values[p]['value'] for p in probes]
    assert values[0] == {'~': 'tuple', 'v': [[], False, False, ['1', '2', values[0]['v'][3][-1]]]} and values[1:] == [False, 0, True]


def test_the_warm_process_survives_its_students():
    needs('bwrap')
    worker = Worker(find_sandbox(), LIMITS)
    try:
        worker.run(job(GOOD)); pid = worker.process.pid
        for source in (ENDS['segfault'], GREEDY['forks_behind'], GREEDY['one_block'], HARMLESS['kill_parent']): worker.run(job(source))
        assert worker.process.pid == pid and worker.run(job(GOOD)).values['good()'] == GOOD_VALUE
        os.kill(pid, signal.SIGKILL); worker.process.wait()
        assert worker.run(job(GOOD)).values['good()'] == GOOD_VALUE and worker.process.pid != pid  # started again
    finally: worker.stop()


def test_nothing_survives():
    needs('bwrap')
    word = f'survivor{os.getpid()}'
    source = f'import os, subprocess, sys\nfor _ in range(3): subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)", "{word}"], start_new_session=True)'
    outcome = run_job(job(GOOD, source, 'after = 7', probes=('good()', 'after')), LIMITS)
    unharmed(outcome); assert outcome.flags == ['left 3 processes running'] and marked(word) == []


def test_a_killed_batch_takes_everything_with_it(tmp_path):
    needs('bwrap')
    word = f'killed{os.getpid()}'
    code = f'''
from alpaca_course.grading.sandbox import run_job
cell = "import os, subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(1000)', '{word}']); time.sleep(1000)"
run_job(dict(cells=[dict(id="c", source=cell, seconds=100)], probes=[]))'''
    process = subprocess.Popen([sys.executable, '-c', code])
    try:
        for _ in range(12_000):
            if len(marked(word)) >= 2: break  # the batch itself and the child inside
            time.sleep(.05)
        inside = set(marked(word)) - {str(process.pid)}
        assert inside
    finally: process.kill(); process.wait()
    for _ in range(12_000):
        if not marked(word): break
        time.sleep(.05)
    assert marked(word) == []
    def left():
        "Its groups after a sweep; a group cannot go while a process in it is still dying."
        groups.sweep()
        return groups_of(process.pid)
    for _ in range(12_000):
        if not left(): break
        time.sleep(.05)
    assert not left()


LIES = r'''
class Int(int):
    __eq__ = lambda s, o: True; __repr__ = __str__ = __index__ = __int__ = lambda s: 99; __hash__ = int.__hash__
class Float(float):
    __float__ = __pos__ = lambda s: 99.
class Str(str):
    __str__ = __repr__ = lambda s: "lie"; __len__ = lambda s: 0; encode = None
class List(list):
    __iter__ = lambda s: iter([99]); __len__ = lambda s: 1; __getitem__ = lambda s, i: 99
class Dict(dict):
    items = __iter__ = keys = lambda s: iter([99])
class Tuple(tuple):
    __iter__ = lambda s: iter([99])
class Meta(type): __name__ = property(lambda c: "int"); __instancecheck__ = __subclasscheck__ = lambda *a: True
class Anything(metaclass=Meta):
    __class__ = int; __eq__ = __ne__ = __lt__ = lambda s, o: True; __repr__ = lambda s: "3"; __reduce__ = lambda s: (int, (3,)); tolist = lambda s: [3]; __int__ = __index__ = __float__ = lambda s: 3; item = lambda s: 3
class Broken:
    def __repr__(self): raise KeyboardInterrupt
class Slow:
    def __repr__(self):
        while True: pass
import numpy as np
class Array(np.ndarray): tolist = lambda s: [99]; __array__ = None
cyclic = []; cyclic.append(cyclic)
deep = []
for _ in range(2000): deep = [deep]
wide = ["x"] * 10
for _ in range(30): wide = [wide] * 10
def forever():
    while True: yield 1
'''
VALUES = {
    'Int(3)': 3, 'Float(2.5)': 2.5, 'Str("true")': 'true', 'List([1, 2])': [1, 2], 'Dict({1: 2})': {'~': 'dict', 'v': [[1, 2]]}, 'Tuple((1,))': {'~': 'tuple', 'v': [1]},
    'Anything()': {'~': 'repr', 'type': 'Anything', 'v': '3'}, 'np.array([1, 2]).view(Array)': {'~': 'array', 'dtype': 'int64', 'v': [1, 2]}, 'np.float32(.5)': .5, 'np.int64(3)': 3, 'np.bool_(True)': True,
    'np.array([np.nan])': {'~': 'array', 'dtype': 'float64', 'v': [{'~': 'float', 'v': 'nan'}]}, '[1, True, 1.0, -0.0]': [1, True, 1.0, -0.0], '"\\ud800"': '\ud800', '10**700': {'~': 'int', 'v': hex(10**700)},
    'float("-inf")': {'~': 'float', 'v': '-inf'}, 'b"\\x00\\xff"': {'~': 'bytes', 'v': '00ff'}, '{"~": "tuple", "v": []}': {'~': 'dict', 'v': [['~', 'tuple'], ['v', []]]},
    'frozenset({"b", "a"})': {'~': 'set', 'v': ['a', 'b']}, '(i * i for i in range(3))': {'~': 'iter', 'type': 'generator', 'v': [0, 1, 4]}, '{(1, 2): [3]}': {'~': 'dict', 'v': [[{'~': 'tuple', 'v': [1, 2]}, [3]]]}}
REFUSED = ('cyclic', 'deep', 'wide', 'forever()', '10**10**7', '"x" * 2_000_000', 'bytes(2_000_000)', 'np.zeros((2000, 2000))', 'Broken()')


def test_a_value_is_what_the_expression_gave():
    needs('bwrap')
    outcome = run_job(job(LIES, probes=(*VALUES, *REFUSED, 'Slow()', 'missing', 'open("/x", "w")', '1 +', '__import__("os")._exit(0)')), Limits(probe_seconds=1))
    got = outcome.values
    for expr, value in VALUES.items():
        assert got[expr]['ok'] and json.dumps(got[expr]['value']) == json.dumps(value), (expr, got[expr])
    assert math.copysign(1, got['[1, True, 1.0, -0.0]']['value'][3]) == -1
    assert got['Int(3)']['type'] == 'Int' and got['Anything()']['type'] == 'Anything'
    for expr in REFUSED: assert not got[expr]['ok'] and got[expr]['error'] in ('unprintable', 'timeout', 'memory'), (expr, got[expr])
    assert [got[e]['error'] for e in ('Slow()', 'missing', 'open("/x", "w")', '1 +', '__import__("os")._exit(0)')] == ['timeout', 'NameError', 'OSError', 'SyntaxError', 'crash']


def test_probes_do_not_touch_each_other():
    needs('bwrap')
    loop = 'all(True for _ in iter(int, 1))'
    probes = ('state.append(1) or len(state)', 'len(state)', loop, '__import__("os").kill(__import__("os").getppid(), 9)', 'len(state) + 1', 'open("note", "w").write("x")')
    outcome = run_job(job('state = []', probes=probes), LIMITS)
    answers = [v.get('value', v.get('error')) for v in (outcome.values[p] for p in probes)]
    assert answers[:3] == [1, 0, 'timeout'] and answers[4:] == [1, 1] and answers[3] in ('crash', None)


def test_the_whole_time_is_kept():
    needs('bwrap')
    outcome = run_job(job('import time', *['time.sleep(.9)'] * 9, probes=('2 + 2',)), Limits(seconds=2, cell_seconds=1))
    assert outcome.ended == 'timeout' and outcome.values['2 + 2'] == {'ok': False, 'error': 'timeout', 'message': 'the time of the whole submission was over'}


def test_what_comes_out_is_checked_again_outside():
    for line in (b'NaN', b'[Infinity]', b'1e999', b'[' * 200000, b'9' * 5000, b'\xff', b'{"a":'):
        with pytest.raises(ValueError): parse(line)
    good = [3, None, True, 'x', [1, [2]], {'~': 'tuple', 'v': []}, {'~': 'float', 'v': 'nan'}, {'~': 'int', 'v': '-0xff'}, {'~': 'array', 'dtype': 'int64', 'v': 3}]
    bad = [{}, {'a': 1}, {'~': 'tuple', 'v': 3}, {'~': 'float', 'v': '1.5'}, {'~': 'int', 'v': '12'}, {'~': 'bytes', 'v': 'abc'}, {'~': 'dict', 'v': [[1]]}, {'~': [], 'v': 1}, {'~': 'tuple', 'v': [], 'x': 1}, {'~': 'code', 'v': ''}]
    assert all(checked(dict(ok=True, value=v, type='x'))['ok'] for v in good)
    for v in bad: assert checked(dict(ok=True, value=[v], type='x')) == {'ok': False, 'error': 'unprintable', 'message': 'not a value as the runner writes them'}
    for answer in (None, 3, {'ok': 1, 'value': 3, 'type': 'int'}, {'ok': True, 'value': 3}, {'ok': False, 'error': 3}, {'ok': True, 'value': 3, 'type': []}): assert checked(answer)['error'] == 'unprintable'
    outcome = Outcome(); take(outcome, b'["probe", "p", {"ok": true, "value": NaN, "type": "float"}]')
    assert outcome.values == {} and 'could not be read' in outcome.flags[0]


def test_encoded_here_as_in_there():
    for value in (1, 'x', [1, (2,)], {'a': {1, 2}}, 2.5, b'x', None): assert checked(json.loads(json.dumps(as_value(value)))) == as_value(value)


def program(folder, name, text):
    path = folder / name; path.write_text(text); path.chmod(0o755)
    return path


def test_a_client_without_an_engine_is_no_sandbox(tmp_path, monkeypatch):
    for name in ('docker', 'podman'): program(tmp_path, name, '#!/bin/sh\necho "Client: 27"; exit 1\n')
    monkeypatch.setenv('PATH', str(tmp_path)); sandbox.works.cache_clear()
    with pytest.raises(ValueError, match='install bubblewrap.*--no-sandbox'): find_sandbox()
    assert find_sandbox(allow_none=True) == Sandbox('none')
    sandbox.works.cache_clear()


def test_a_container_engine_is_asked_for_a_closed_container(tmp_path, monkeypatch):
    "An engine of our own that only passes the program on: the command line and the conversation, not Docker's walls."
    program(tmp_path, 'docker', f'''#!/bin/sh
if [ "$1" = run ]; then printf '%s\\n' "$@" > {tmp_path}/asked; while [ "$1" != alpaca-course ]; do shift; done; shift; cd {tmp_path}; exec {sys.executable} "$@"; fi
exit 0
''')
    monkeypatch.setenv('PATH', f'{tmp_path}:/usr/bin:/bin'); monkeypatch.setattr(sandbox, 'works', lambda kind, *a: kind == 'docker')
    monkeypatch.setattr(sandbox, 'supervisor_command', lambda limits, preload, warm, python, folder: SHORT(limits, preload, warm, python))
    assert find_sandbox().kind == 'docker'
    outcome = run_job(job(GOOD, 'import os; os._exit(1)', 'after = 7', probes=('good()', 'after')), LIMITS)
    unharmed(outcome); assert outcome.memory == 'container'
    asked = (tmp_path / 'asked').read_text().split('\n')
    for flag in ('--rm', '--read-only', 'no-new-privileges', '65534:65534', '--memory=712m', '--pids-limit=28'): assert flag in asked
    assert asked[asked.index('--network') + 1] == 'none' and asked[asked.index('--cap-drop') + 1] == 'ALL'


real_command = sandbox.supervisor_command


def SHORT(limits, preload, warm, python): return real_command(limits, preload, warm, python)


def test_without_a_sandbox_it_says_so():
    outcome = run_job(job(GOOD, 'import os; os._exit(1)', 'after = 7', probes=('good()', 'after')), LIMITS, Sandbox('none'))
    unharmed(outcome); assert outcome.flags[0] == "no sandbox: this code ran with the grader's rights" and outcome.memory == 'each process'


def test_imports_are_paid_once():
    needs('bwrap')
    early = 'import sys\nthere = "decimal" in sys.modules and "fractions" in sys.modules'
    got = dict(run_jobs([(i, job(early, probes=('there',), preload=['decimal', 'fractions'])) for i in range(3)], LIMITS, workers=2))
    assert sorted(got) == [0, 1, 2] and all(o.values['there']['value'] is True for o in got.values())
    with pytest.raises(ValueError, match='the sandbox did not start.*no_such_module'): run_job(job(GOOD, preload=['no_such_module']))


def test_an_abandoned_batch_leaves_nothing():
    needs('bwrap')
    batch = run_jobs(((i, job(GOOD)) for i in range(1000)), LIMITS, workers=2)
    key, outcome = next(batch)
    assert outcome.values['good()'] == GOOD_VALUE
    batch.close()
    assert not groups_of(os.getpid())


@pytest.mark.skipif(os.getuid() != 0 or sys.platform != 'linux', reason='only root can become somebody else')
def test_as_an_ordinary_user(tmp_path):
    "The same attacks without root's rights: no cgroup, memory watched, forks counted by the user's own limit."
    needs('bwrap'); needs('setpriv'); needs('unshare')
    if os.stat('/tmp').st_mode & 0o1777 != 0o1777: pytest.skip('/tmp is not for everybody')
    attacks = {name: GREEDY[name] for name in ('forks_behind', 'fork_sleepers', 'one_block', 'many_children', 'prints')} | dict(deaf=LOOPS['deaf'], gone=ENDS['exit_now'])
    jobs = [(name, job(GOOD, source, 'after = 7', probes=('good()', 'after'))) for name, source in attacks.items()]
    code = f'''
import json, os, sys
from alpaca_course.grading.sandbox import *
from dataclasses import asdict
assert os.getuid() == 12345
print(json.dumps({{name: asdict(o) for name, o in run_jobs({jobs!r}, Limits(**{vars(LIMITS)!r}), workers=1)}}))'''
    base = Path(sys.base_prefix).resolve(); top = Path('/', base.parts[1])
    opened = f'mount --rbind {top} {tmp_path} && mount -t tmpfs -o mode=755 none {top} && mkdir -p {base} && mount --rbind {tmp_path}/{base.relative_to(top)} {base} && ' if base.parts[1] == 'root' else ''
    command = f'{opened}cd / && exec setpriv --reuid 12345 --regid 12345 --clear-groups "$@"'
    done = subprocess.run(['unshare', '--mount', '--propagation', 'private', 'sh', '-c', command, 'sh', sys.executable, '-I', '-c', code], capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-2000:]
    got = {name: Outcome(**fields) for name, fields in json.loads(done.stdout).items()}
    for name, outcome in got.items(): unharmed(outcome, name); assert outcome.memory == 'watched'
    assert got['one_block'].cells['c1']['error'] == 'memory' and 'more memory than allowed' in got['many_children'].flags
    assert any('processes running' in flag for flag in got['forks_behind'].flags)


@pytest.mark.parametrize('kind', ['docker', 'podman'])
def test_a_real_engine(kind):
    "Where an engine runs and has the image: the attacks cost what they cost in bubblewrap, and no container is left."
    program, image = shutil.which(kind), os.environ.get('ALPACA_COURSE_IMAGE', sandbox.IMAGE)
    if not program or not sandbox.works(kind, program, image): pytest.skip(f'no {kind} with an image {image}')
    before = subprocess.run([program, 'ps', '-aq'], capture_output=True, text=True).stdout.split()
    for name, source in {**ENDS, **HARMLESS, **GREEDY}.items():
        outcome = run_job(job(GOOD, source, 'after = 7', probes=('good()', 'after')), replace(LIMITS, cell_seconds=1), sandbox.Sandbox(kind, program, image))
        unharmed(outcome, name); assert outcome.memory == 'container'
    assert subprocess.run([program, 'ps', '-aq'], capture_output=True, text=True).stdout.split() == before
