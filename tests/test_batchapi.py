"""Generation by batches over real HTTP: killed processes, lost answers, failed and expired batches, damaged files; the records of the one-by-one way."""
import json, signal, subprocess, sys, time
from pathlib import Path

import pytest

from alpaca_course import batchapi
from alpaca_course.batchapi import BatchDesk, ask_numbers, batch_rows, collect, find_batch, generate_in_batches, merge_logs, need, planner, read_results, result_event, submit, uploaded
from alpaca_course.budget import Budget
from alpaca_course.eventlog import EventLog, LogError, read_events
from alpaca_course.families import draw_item
from alpaca_course.faults import Faults
from alpaca_course.records import Record
from alpaca_course.scripted import FAMILY_NAMES, Rates, chance, scripted_teacher
from alpaca_course.selfinstruct import generate, replay, waterfall
from alpaca_course.teacher import Teacher, TeacherError

SEEDS = [Record(item.instruction, item.input, item.answer) for item in (draw_item(chance('bank', i), FAMILY_NAMES[i]) for i in range(12))]
WANTED = 40
QUICK = dict(sleep=lambda seconds: None)

def teacher_at(url, model='teacher-large', **settings): return Teacher(url, 'a-secret-key', model, name='scripted', **{'max_retries': 8, **QUICK, **settings})

def batches(url, log, wanted=WANTED, size=6, model='teacher-large', api='chat', **settings):
    teacher = teacher_at(url, model, api=api)
    try: return generate_in_batches(teacher, SEEDS, wanted, log, size=size, tasks=7, sleep=lambda seconds: None, **settings)
    finally: teacher.close()

def essence(outcome): return outcome.records, outcome.rejected, outcome.requests, outcome.prompt_tokens, outcome.completion_tokens

def numbers(log): return [event['n'] for event in read_events(log) if event['event'] == 'request']

def notes(log): return [event for event in read_events(log) if event['event'] == 'batch']

def asked(desk): return [row['custom_id'] for batch in desk.batches.values() for row in batch_rows(desk.files[batch['input_file_id']], batch['endpoint'])]

@pytest.fixture(scope='module')
def one_by_one(tmp_path_factory):
    with scripted_teacher() as url: return generate(teacher_at(url), SEEDS, WANTED, tmp_path_factory.mktemp('one')/'log.jsonl', tasks=7)


# ---- the same records
@pytest.mark.parametrize('size', [1, 7, 1000])
def test_batches_and_single_requests_give_the_same(size, one_by_one, tmp_path):
    desk, log = BatchDesk(), tmp_path/'log.jsonl'
    with scripted_teacher(more=desk.routes) as url: outcome = batches(url, log, size=size)
    assert essence(outcome) == essence(one_by_one) == essence(replay(log)) and waterfall(outcome) == waterfall(one_by_one)
    assert len(set(numbers(log))) == len(numbers(log)) and 'a-secret-key' not in log.read_text()
    assert {event['price'][0] for event in read_events(log) if event['event'] == 'request'} == {20., 10.}  # the first one by one, the others at half price

def test_the_completions_page_too(tmp_path):
    desk = BatchDesk()
    with scripted_teacher(more=desk.routes) as url:
        single = generate(teacher_at(url, api='completions'), SEEDS, 20, tmp_path/'one.jsonl', tasks=7)
        assert essence(batches(url, tmp_path/'log.jsonl', wanted=20, api='completions')) == essence(single)
    assert {batch['endpoint'] for batch in desk.batches.values()} == {'/v1/completions'}

def test_a_finished_run_asks_nothing_and_a_larger_one_goes_on(one_by_one, tmp_path):
    desk, log = BatchDesk(), tmp_path/'log.jsonl'
    with scripted_teacher(more=desk.routes) as url:
        batches(url, log, wanted=20)
        before = asked(desk)
        batches(url, log, wanted=20)
        assert asked(desk) == before
        assert essence(batches(url, log)) == essence(one_by_one)
    assert len(set(asked(desk))) == len(asked(desk))

def test_max_requests_holds(tmp_path):
    with scripted_teacher(more=BatchDesk().routes) as url: outcome = batches(url, tmp_path/'log.jsonl', max_requests=5)
    assert outcome.requests == 5 == len(numbers(tmp_path/'log.jsonl')) and outcome.stopped.startswith('max_requests reached')


# ---- processes that die
RUNNER = '''
import os, signal, sys
sys.path.insert(0, {tests!r})
import test_batchapi as t
from alpaca_course import batchapi
die = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)
if {where!r} == 'before submit': batchapi.submit = die
if {where!r} == 'after submit':
    real = batchapi.submit
    def submit(*a): real(*a); die()
    batchapi.submit = submit
if {where!r} == 'polling': batchapi.poll = die
if {where!r} == 'before ended':
    real_append = t.batchapi.EventLog.append
    t.batchapi.EventLog.append = lambda self, event, wait=True: die() if event.get('state') == 'ended' else real_append(self, event, wait)
if {where!r} == 'while logging':
    real_write, left = t.batchapi.EventLog.append, [2]
    def append(self, event, wait=True):
        if event['event'] == 'request' and event['n'] > 0:
            left[0] -= 1
            if not left[0]: os.write(self.fd, b'{{"event": "request", "n": 3, "te'); die()
        real_write(self, event, wait)
    batchapi.EventLog.append = append
print(t.batches({url!r}, {log!r}).stopped)
'''

def start(url, log, where=''):
    code = RUNNER.format(tests=str(Path(__file__).parent), where=where, url=url, log=str(log))
    return subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

@pytest.mark.parametrize('where', ['before submit', 'after submit', 'polling', 'while logging', 'before ended'])
def test_killed_and_resumed_nothing_is_lost_and_nothing_is_paid_twice(where, one_by_one, tmp_path):
    desk, log = BatchDesk(), tmp_path/'log.jsonl'
    with scripted_teacher(more=desk.routes) as url:
        process = start(url, log, where)
        _, err = process.communicate(timeout=900)
        assert process.returncode == -signal.SIGKILL, err
        assert notes(log)[-1]['state'] in ('intent', 'submitted') and len(desk.batches) == (0 if where == 'before submit' else 1)
        outcome = batches(url, log)
    assert essence(outcome) == essence(one_by_one) == essence(replay(log))
    assert len(set(asked(desk))) == len(asked(desk)) and len(set(numbers(log))) == len(numbers(log))
    assert {f'request-{n}' for n in numbers(log)} == {'request-0', *asked(desk)}

def test_killed_at_random_moments(one_by_one, tmp_path):
    desk, log, rng, kills = BatchDesk(looks=3), tmp_path/'log.jsonl', chance('kills'), 0
    with scripted_teacher(more=desk.routes) as url:
        for _ in range(3):
            process, until = start(url, log), time.monotonic() + 600
            size = lambda: log.stat().st_size if log.exists() else 0
            goal = size() + rng.randrange(1, 9000)
            while size() < goal and process.poll() is None and time.monotonic() < until: time.sleep(.002)
            process.kill(); process.communicate()
            kills += process.returncode == -signal.SIGKILL
        outcome = batches(url, log)
    assert kills and essence(outcome) == essence(one_by_one)
    assert len(set(asked(desk))) == len(asked(desk)) and len(set(numbers(log))) == len(numbers(log))

def test_two_processes_on_one_generation(tmp_path):
    log = tmp_path/'log.jsonl'
    with scripted_teacher(more=BatchDesk().routes) as url:
        batches(url, log, wanted=5)
        with EventLog(log), pytest.raises(LogError, match='another process'): batches(url, log)


# ---- the network
def test_an_order_whose_answer_is_lost_is_not_ordered_again():
    for kind in ('cut', 'short', 'half_json', 'not_json', 'reset', 'server_error'):
        desk = BatchDesk()
        line = json.dumps({'custom_id': 'request-1', 'url': '/v1/chat/completions', 'body': {}})
        with scripted_teacher(more=desk.routes, faults=Faults(**{kind: 1.}, times=1)) as url:
            teacher = teacher_at(url)
            assert submit(teacher, [line], 'mark').id == 'batch_0' and teacher.usage.retries >= 2, kind
            assert find_batch(teacher, 'mark').id == 'batch_0' and find_batch(teacher, 'other') is None
        assert len(desk.batches) == 1, kind

@pytest.mark.parametrize('seed', [1, 2])
def test_faults_on_every_page(seed, one_by_one, tmp_path):
    desk, kinds = BatchDesk(), ['rate_limit', 'server_error', 'unavailable', 'reset', 'cut', 'short', 'half_json']
    faults = Faults(**{kind: .05 for kind in kinds}, seed=seed)
    with scripted_teacher(more=desk.routes, faults=faults) as url: outcome = batches(url, tmp_path/'log.jsonl')
    assert essence(outcome) == essence(one_by_one) and faults.met.total() > 2
    assert len(set(asked(desk))) == len(asked(desk))

@pytest.mark.parametrize('kind, says', [('bad_key', 'refused the key'), ('no_model', 'does not offer')])
def test_what_cannot_pass_stops_with_a_reason(kind, says, one_by_one, tmp_path):
    desk, log = BatchDesk(), tmp_path/'log.jsonl'
    with scripted_teacher(more=desk.routes) as url: batches(url, log, wanted=10)
    with scripted_teacher(more=desk.routes, faults=Faults(**{kind: 1.})) as url: outcome = batches(url, log)
    assert says in outcome.stopped and read_events(log)[-1] == {'event': 'stop', 'reason': outcome.stopped}


# ---- batches that end badly
def test_a_failed_batch_stops_with_its_reason_and_the_next_call_orders_again(one_by_one, tmp_path):
    desk, log = BatchDesk(fates=['failed']), tmp_path/'log.jsonl'
    with scripted_teacher(more=desk.routes) as url:
        outcome = batches(url, log)
        assert outcome.stopped == 'the batch batch_0 failed: the batch was made to fail' and outcome.requests == 1
        assert read_events(log)[-1] == {'event': 'stop', 'reason': outcome.stopped} and replay(log).stopped == outcome.stopped
        assert essence(batches(url, log)) == essence(one_by_one)
    assert notes(log)[2]['status'] == 'failed'

def test_an_expired_batch_keeps_what_is_done(one_by_one, tmp_path):
    desk, log = BatchDesk(fates=['expired', 'expired']), tmp_path/'log.jsonl'
    with scripted_teacher(more=desk.routes) as url: outcome = batches(url, log)
    assert essence(outcome) == essence(one_by_one) and [batch['status'] for batch in desk.batches.values()][:3] == ['expired', 'expired', 'completed']
    first = desk.files[desk.batches['batch_0']['output_file_id']].decode().splitlines()
    assert all(asked(desk).count(json.loads(line)['custom_id']) == 1 for line in first)
    assert notes(log)[2]['errors'] == {'timeout': 3}

def test_error_lines_go_into_the_next_batch_and_at_last_one_by_one(tmp_path):
    shaky, rates = 'shaky', Rates(failure=.5)
    with scripted_teacher(shaky, rates=Rates(failure=0.)) as url: calm = generate(teacher_at(url, shaky), SEEDS, WANTED, tmp_path/'calm.jsonl', tasks=7)
    desk, log = BatchDesk(), tmp_path/'log.jsonl'
    with scripted_teacher(shaky, rates=rates, more=desk.routes) as url: outcome = batches(url, log, model=shaky, rounds=2)
    assert essence(outcome) == essence(calm)
    counts = [asked(desk).count(name) for name in set(asked(desk))]
    assert max(counts) == 2 and sum(note.get('errors', {}).get('server', 0) for note in notes(log)) > 0
    prices = [event['price'] for event in read_events(log) if event['event'] == 'request']
    assert len(set(numbers(log))) == len(numbers(log)) and len(prices) == len(numbers(log))

def test_a_batch_that_does_not_end_is_waited_for_by_the_next_call(one_by_one, tmp_path):
    desk, log = BatchDesk(looks=5), tmp_path/'log.jsonl'
    with scripted_teacher(more=desk.routes) as url:
        outcome = batches(url, log, looks=2)
        assert outcome.stopped == 'the batch batch_0 is in_progress: nothing is lost; call again later'
        while len(outcome) < WANTED: outcome = batches(url, log, looks=2)
    assert essence(outcome) == essence(one_by_one) and len(set(asked(desk))) == len(asked(desk))

def test_a_cancelled_batch(one_by_one, tmp_path):
    desk, log = BatchDesk(looks=5), tmp_path/'log.jsonl'
    with scripted_teacher(more=desk.routes) as url:
        batches(url, log, looks=1)
        assert teacher_at(url).client.batches.cancel('batch_0').status == 'cancelled'
        assert essence(batches(url, log)) == essence(one_by_one)


# ---- files that lie
class Spoiled(BatchDesk):
    "A desk whose output files are spoiled for the first `times` downloads."
    def __init__(self, spoil, times, **settings): super().__init__(**settings); self.spoil, self.times = spoil, times
    async def content(self, request):
        good = await super().content(request)
        if self.times <= 0: return good
        self.times -= 1
        return type(good)(self.spoil(good.body), media_type='application/octet-stream')

SPOILS = {'cut': lambda data: data[:-20], 'a line less': lambda data: data[data.index(b'\n') + 1:], 'empty': lambda data: b'', 'not json': lambda data: b'oops\n' + data,
          'deep': lambda data: data + b'[' * 100_000 + b'\n', 'not text': lambda data: b'\xff\xfe' + data, 'a number': lambda data: data + b'5\n', 'no id': lambda data: data + b'{"response": {}}\n'}

@pytest.mark.parametrize('name', SPOILS)
def test_a_damaged_download_is_downloaded_again(name, one_by_one, tmp_path):
    desk = Spoiled(SPOILS[name], 2)
    with scripted_teacher(more=desk.routes) as url: outcome = batches(url, tmp_path/'log.jsonl')
    assert essence(outcome) == essence(one_by_one) and len(set(asked(desk))) == len(asked(desk))

def test_a_file_that_stays_damaged_stops_the_run_and_is_not_paid_again(one_by_one, tmp_path):
    desk, log = Spoiled(SPOILS['cut'], 9), tmp_path/'log.jsonl'
    with scripted_teacher(more=desk.routes) as url:
        outcome = batches(url, log)
        assert 'the server failed' in outcome.stopped and 'not JSON' in outcome.stopped and numbers(log) == [0]
        assert essence(batches(url, log)) == essence(one_by_one)
    assert len(set(asked(desk))) == len(asked(desk))

@pytest.mark.parametrize('row', [{'response': None}, {'response': 5}, {'response': {'status_code': '200', 'body': {}}}, {'response': {'status_code': 200}}, {'response': {'status_code': 200, 'body': []}},
                                 {'response': {'status_code': 200, 'body': {'object': 'chat.completion', 'choices': [{'message': {'content': 5}, 'finish_reason': 'stop'}]}}}, {'error': 'late'}, {},
                                 {'response': {'status_code': 429, 'body': {'error': 'busy'}}}, {'response': {'status_code': 500, 'body': {'error': {'message': ['x'], 'code': 7}}}}])
def test_odd_rows_are_errors_and_never_events_with_nonsense(row):
    event = result_event({'event': 'request', 'n': 1, 'seeds': [0]}, row, 'm')
    assert event['error'] in ('server', 'timeout', 'rate_limit') and isinstance(event['message'], str) and 'text' not in event

def test_strangers_and_second_answers_are_left_out(tmp_path):
    good = {'response': {'status_code': 200, 'body': {'object': 'chat.completion', 'choices': [{'message': {'content': 'a'}, 'finish_reason': 'stop'}]}}}
    rows = [good | {'custom_id': name} for name in ('request-1', 'request-1', 'request-9', 'request-' + '9' * 5000, 'request-٣', '', 'request-01')]
    class There:
        model = 'm'
        def attempt(self, call): return call()
        class client:
            class files:
                @staticmethod
                def content(id): return type('Content', (), {'content': '\n'.join(map(json.dumps, rows)).encode()})
    batch = type('Batch', (), dict(request_counts=None, output_file_id='a', error_file_id=None))
    assert list(collect(There(), batch, {1: {'n': 1}, 3: {'n': 3}})) == [1]

@pytest.mark.parametrize('body', [b'', b'--x', b'--x\r\n\r\n--x--', b'\x00' * 100])
def test_odd_uploads(body): assert uploaded('multipart/form-data; boundary=x', body).get('file') is None

def test_the_desk_refuses_in_good_form():
    with scripted_teacher(more=BatchDesk().routes) as url:
        client = teacher_at(url, max_retries=0)
        for call in (lambda: client.client.batches.retrieve('none'), lambda: client.client.files.content('none'), lambda: client.client.files.create(file=('a', b'x'), purpose='fine-tune'),
                     lambda: client.client.batches.create(input_file_id='none', endpoint='/v1/chat/completions', completion_window='24h')):
            with pytest.raises(TeacherError) as caught: client.attempt(call)
            assert caught.value.kind in ('model', 'bad_request')

def test_a_bad_input_file_fails_as_a_whole_and_says_why():
    with scripted_teacher(more=BatchDesk().routes) as url:
        client = teacher_at(url).client
        file = client.files.create(file=('a', b'{"custom_id": "a", "body": {}, "url": "/v1/other"}\n'), purpose='batch')
        batch = client.batches.retrieve(client.batches.create(input_file_id=file.id, endpoint='/v1/chat/completions', completion_window='24h').id)
    assert batch.status == 'failed' and 'line 1' in batch.errors.data[0].message


# ---- money, templates, several processes
def test_a_budget_bounds_the_batches(tmp_path):
    desk, log = BatchDesk(), tmp_path/'log.jsonl'
    with scripted_teacher(more=desk.routes) as url: outcome = batches(url, log, size=1000, budget=Budget(tokens=7_000), max_tokens=800)
    assert outcome.stopped.startswith('budget reached') and 0 < len(outcome) < WANTED
    assert outcome.prompt_tokens + outcome.completion_tokens <= 7_000 and desk.batches

def test_forms_that_feed_back_are_refused(tmp_path):
    with scripted_teacher() as url: generate(teacher_at(url), SEEDS, 5, tmp_path/'log.jsonl', tasks=7, max_requests=1)
    start = read_events(tmp_path/'log.jsonl')[0]
    planner(start)
    start['settings']['template'] = 'threestep'
    with pytest.raises(ValueError, match='earlier answers'): planner(start)

def test_processes_with_their_own_numbers(one_by_one, tmp_path):
    log, parts = tmp_path/'log.jsonl', [tmp_path/f'{k}.jsonl' for k in range(2)]
    with scripted_teacher() as url:
        teacher = teacher_at(url)
        generate(teacher, SEEDS, WANTED, log, tasks=7, max_requests=1)
        for k, part in enumerate(parts): assert ask_numbers(teacher, log, range(1 + k, one_by_one.requests, 2), part) == len(range(1 + k, one_by_one.requests, 2))
        assert ask_numbers(teacher, log, range(1, one_by_one.requests, 2), parts[0]) == 0
        assert merge_logs(log, parts) == one_by_one.requests - 1 and merge_logs(log, parts) == 0
        requests = teacher.usage.requests
        assert essence(generate(teacher, SEEDS, WANTED, log, tasks=7)) == essence(one_by_one) and teacher.usage.requests == requests
        generate(teacher, SEEDS[1:], 5, tmp_path/'other.jsonl', tasks=7, max_requests=1)
        with pytest.raises(LogError, match='another generation'): merge_logs(log, [tmp_path/'other.jsonl'])
        with pytest.raises(LogError, match='another generation'): ask_numbers(teacher, log, [1], tmp_path/'other.jsonl')

def test_the_arithmetic():
    plan = need(52_000, 2.5, 300., 700., (2., 8.), 1000.)
    assert (plan.requests, plan.prompt_tokens, plan.completion_tokens) == (20_800, 6_240_000, 14_560_000)
    assert plan.dollars == pytest.approx(6.24 * 2 + 14.56 * 8) and plan.batch_dollars == pytest.approx(plan.dollars / 2) and plan.hours == pytest.approx(14_560 / 3600)
    assert need(1, 1., 1, 1).dollars is None and need(1, 1., 1, 1).batch_dollars is None
