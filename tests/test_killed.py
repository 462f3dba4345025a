"Thirty runs killed at random moments: real processes, real HTTP to a teacher in a process of its own. Nothing is lost, nothing is there twice, every answer is on the bill."
import os, random, signal, subprocess, sys, time
from pathlib import Path

import pytest

from alpaca_course.budget import spent
from alpaca_course.eventlog import read_events
from alpaca_course.selfinstruct import replay

ROOT = Path(__file__).parents[1]

SERVER = '''
import sys
from alpaca_course import scripted, threestep  # threestep answers its own prompts
real = scripted.reply_document
def billed(*args):
    document = real(*args)
    with open(sys.argv[1], "a") as file: file.write(f"{document['usage']['total_tokens']}\\n")
    return document
scripted.reply_document = billed
with scripted.scripted_teacher("teacher-large", rates=scripted.Rates(failure=0.)) as url:
    print(url.split(":")[2].split("/")[0], flush=True)
    sys.stdin.read()
'''

CLIENT = '''
import http.client, json, random, sys, time
from alpaca_course.records import read_seeds
from alpaca_course.selfinstruct import generate
from alpaca_course.teacher import Reply

class Web:
    "A teacher over HTTP that needs no client library: processes that will be killed should start fast."
    name, model = "web", "teacher-large"
    def __init__(self, port, pause): self.port, self.pause = port, pause
    def ask(self, prompt, **sampling):
        time.sleep(random.random() * self.pause)
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        link.request("POST", "/v1/chat/completions", json.dumps(dict(model=self.model, messages=[dict(role="user", content=prompt)], **sampling)), {"content-type": "application/json"})
        got = json.loads(link.getresponse().read())
        link.close()
        return Reply(got["choices"][0]["message"]["content"], got["choices"][0]["finish_reason"], got["usage"]["prompt_tokens"], got["usage"]["completion_tokens"])

def go(port, log, seeds, template, limit, pause=.01):
    if limit: from alpaca_course.budget import Budget
    return generate(Web(port, pause), read_seeds(seeds), 40, log, template=template, tasks=12, concurrency=8, budget=Budget(tokens=limit) if limit else None)

if __name__ == "__main__":
    port, log, seeds, template, limit, pause = sys.argv[1:]
    print(go(int(port), log, seeds, template, int(limit), float(pause)).stopped)
'''

@pytest.fixture(scope='module')
def work(tmp_path_factory):
    folder = tmp_path_factory.mktemp('killed')
    (folder/'client.py').write_text(CLIENT)
    (folder/'server.py').write_text(SERVER)
    return folder

@pytest.fixture(scope='module')
def environment(): return os.environ | {'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1', 'OPENBLAS_NUM_THREADS': '1'}

@pytest.fixture(scope='module')
def port(work, environment):
    server = subprocess.Popen([sys.executable, work/'server.py', work/'bill'], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
    yield int(server.stdout.readline())
    server.communicate()

@pytest.fixture(scope='module')
def client(work):
    sys.path.insert(0, str(work))
    import client
    yield client
    sys.path.remove(str(work))

TEMPLATES = ['alpaca', 'jsonl', 'threestep']

@pytest.fixture(scope='module')
def whole(work, port, client): return {t: client.go(port, work/f'{t}.jsonl', ROOT/'data'/'seed_tasks.jsonl', t, 0, 0) for t in TEMPLATES}

def start(work, environment, port, log, template='alpaca', limit=0, pause=.01):
    args = [sys.executable, work/'client.py', port, log, ROOT/'data'/'seed_tasks.jsonl', template, limit, pause]
    return subprocess.Popen(list(map(str, args)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)

def size(log): return log.stat().st_size if log.exists() else 0

def bill(work): return [int(line) for line in (work/'bill').read_text().splitlines()]

def essence(outcome): return outcome.records, outcome.rejected, outcome.requests, outcome.failures, outcome.yields, outcome.stopped

def kill_somewhere(process, log, rng, whole):
    "Wait until the log has grown by a random share of a `whole` one, and a random moment more; then SIGKILL. Whether it was still running."
    aim, until = size(log) + rng.random() * .6 * whole, time.monotonic() + 600
    while size(log) < aim and process.poll() is None and time.monotonic() < until: time.sleep(.001)
    time.sleep(rng.random() * .01)
    process.kill()
    process.communicate()
    return process.returncode == -signal.SIGKILL

def test_thirty_killed_runs_end_like_undisturbed_ones(work, environment, port, client, whole):
    seeds, rng, sizes = ROOT/'data'/'seed_tasks.jsonl', random.Random(8), {t: size(work/f'{t}.jsonl') for t in TEMPLATES}
    assert all(len(outcome) == 40 for outcome in whole.values())
    killed, in_the_air, torn = [], 0, 0
    while len(killed) < 30:
        number, template = len(killed), TEMPLATES[len(killed) % 3]
        log, limit = work/f'run{number}.jsonl', 3_000_000 if number % 5 == 0 else 0
        billed, kills = len(bill(work)), 0
        for _ in range(1 + number % 2): kills += kill_somewhere(start(work, environment, port, log, template, limit), log, rng, sizes[template])
        if not kills: log.unlink(missing_ok=True); continue  # it had ended before we came
        if number % 3 == 0 and log.exists(): log.open('ab').write(b'{"event": "request", "n": 2, "text": "tor'); torn += 1
        outcome = client.go(port, log, seeds, template, limit, 0)
        assert essence(outcome) == essence(whole[template]) == essence(replay(log)), number
        events = read_events(log)
        asked = [e['n'] for e in events if e['event'] == 'request']
        assert len(asked) == len(set(asked)) and set(range(outcome.requests)) <= set(asked), number
        judged = [e['n'] for e in events if e['event'] == 'verdict']
        assert len(judged) == len(set(judged)), number
        answered = bill(work)[billed:]
        in_the_air += len(answered) - len(asked)
        if limit: assert sum(answered) <= spent(events).tokens <= limit, number
        killed.append(template)
    assert {t: killed.count(t) for t in TEMPLATES} == dict.fromkeys(TEMPLATES, 10)
    assert in_the_air > 0 and torn >= 9  # some answers were billed and died with their process; the logs say nothing about them, the records do not change

def test_a_second_process_is_refused_and_the_first_goes_on(work, environment, port, whole):
    log = work/'two.jsonl'
    first = start(work, environment, port, log, pause=.3)
    until = time.monotonic() + 600
    while size(log) < 30_000 and first.poll() is None and time.monotonic() < until: time.sleep(.002)
    first.send_signal(signal.SIGSTOP)  # it keeps the log, however long the second takes to start
    assert first.poll() is None
    out, err = start(work, environment, port, log).communicate()
    first.send_signal(signal.SIGCONT)
    assert 'another process is writing this log' in err and out == ''
    assert first.communicate()[0].startswith('done: 40')
    assert essence(replay(log)) == essence(whole['alpaca'])

def test_a_torn_last_line_is_cut_off_and_nothing_else(work, port, client, whole):
    data, log, seeds = (work/'jsonl.jsonl').read_bytes(), work/'torn.jsonl', ROOT/'data'/'seed_tasks.jsonl'
    for cut in random.Random(1).sample(range(len(data)), 8):
        log.write_bytes(data[:cut])
        lines = data[:cut].count(b'\n')
        if lines: assert len(read_events(log)) == lines
        assert essence(client.go(port, log, seeds, 'jsonl', 0, 0)) == essence(whole['jsonl'])
        assert log.read_bytes()[:data[:cut].rfind(b'\n') + 1] == data[:data[:cut].rfind(b'\n') + 1]
