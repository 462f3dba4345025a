"""Faults over real HTTP: each class and all together, what the client makes of them, and that a run under fire ends with the records of a calm run."""
import http.client, json, time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from alpaca_course.eventlog import read_events
from alpaca_course.families import draw_item
from alpaca_course.faults import FAULTS, SEEN_AS, STOPS, Faults, draw_fault, meet
from alpaca_course.records import Record
from alpaca_course.scripted import FAMILY_NAMES, chance, scripted_teacher
from alpaca_course.selfinstruct import generate, replay
from alpaca_course.teacher import Teacher, TeacherError

SEEDS = [Record(item.instruction, item.input, item.answer) for item in (draw_item(chance('bank', i), FAMILY_NAMES[i]) for i in range(12))]
PASSING = [name for name in FAULTS if name not in STOPS]
WANTED = 14
SLOW = {'hang', 'drip'}  # the others get time enough for the busiest machine

def run(log, faults=None, timeout=None, concurrency=3, **settings):
    "(outcome, usage) of a generation under `faults`; no wait is lived through. A second for a reply where some never come, else as long as it takes."
    if timeout is None: timeout = 1. if faults and any(faults.shares()[name] for name in SLOW) else 60.
    with scripted_teacher('teacher-clean', faults=faults) as url:
        teacher = Teacher(url, 'a-secret-key', 'teacher-clean', sleep=lambda seconds: None, timeout=timeout, name='scripted', **settings)
        try: return generate(teacher, SEEDS, WANTED, log, concurrency=concurrency, tasks=7), teacher.usage
        finally: teacher.close()

def essence(outcome): return outcome.records, outcome.rejected, outcome.requests

@pytest.fixture(scope='module')
def calm(tmp_path_factory):
    outcome, usage = run(tmp_path_factory.mktemp('calm')/'log.jsonl')
    assert outcome.stopped.startswith('done') and usage.retries == 0 and outcome.requests > 3
    return outcome


# ---- each class, one question
def test_every_fault_is_covered(): assert set(SEEN_AS) == set(FAULTS) and STOPS < set(FAULTS)

@pytest.mark.parametrize('name', FAULTS)
def test_what_the_client_makes_of_it(name):
    patience = dict.fromkeys(SLOW, (.5, 4.)).get(name, (60., 60.))  # one try of `once` must be in time
    always, once = (meet(Faults(**{name: 1.}, times=times, seconds=30.), max_retries=2, timeout=timeout) for times, timeout in zip((None, 1), patience))
    assert (always.kind, always.tries) == (SEEN_AS[name], 1 if name in STOPS or not SEEN_AS[name] else 3), always
    assert once.tries == (1 if name in STOPS or not SEEN_AS[name] else 2), once
    assert once.text == (None if name in STOPS else 'p l u m')
    if always.kind: assert '127.0.0.1' in always.message and 'teacher-clean' in always.message and always.message.endswith('.')

def test_a_dropped_connection_says_what_happened():
    assert 'reset by peer' in meet(Faults(cut=1.), max_retries=0).message
    assert 'incomplete' in meet(Faults(short=1.), max_retries=0).message or 'without sending complete' in meet(Faults(short=1.), max_retries=0).message

def test_waits_follow_the_server_or_the_client():
    assert meet(Faults(rate_limit_wait=1., times=2)).waits == [2., 2.]
    waits = meet(Faults(rate_limit=1., times=3)).waits
    assert len(waits) == 3 and all(.75 * .5 * 2**i <= wait <= .5 * 2**i for i, wait in enumerate(waits))

def test_the_time_limit_holds_for_a_server_that_drips():
    started = time.monotonic()
    assert meet(Faults(drip=1., seconds=300.), timeout=.3, max_retries=0).kind == 'timeout'
    assert time.monotonic() - started < 150  # the pieces come every 15 seconds: without the second limit this took the whole 300
    assert meet(Faults(drip=1., seconds=.3), timeout=30.).text == 'p l u m'

def test_a_drip_of_small_pieces_ends_as_well():
    "Pieces every 50 ms, a limit of 200 ms: each piece is in time, the reply is not."
    assert meet(Faults(drip=1., seconds=1.), timeout=.2, max_retries=0).kind == 'timeout'

@pytest.mark.parametrize('body', [b'[' * 100_000, b'{"a":' * 50_000, json.dumps({'object': 'chat.completion', 'choices': {}}).encode()])
def test_bodies_that_no_reader_survives(body, monkeypatch):
    async def odd(x): await x.reply(200, 'application/json', body)
    monkeypatch.setitem(FAULTS, 'not_json', odd)
    assert meet(Faults(not_json=1., times=1))[:4] == ('p l u m', '', '', 2)
    assert meet(Faults(not_json=1.), max_retries=1).kind == 'server'

@pytest.mark.parametrize('change', [{'content': 5}, {'content': ['p l u m']}, {'finish_reason': ['stop']}, {'prompt_tokens': 'many'}, {'completion_tokens': -1}])
def test_values_of_the_wrong_kind_never_reach_the_log(change, monkeypatch, tmp_path):
    async def odd(x):
        status, kind, body = await x.answer()
        document = json.loads(body)
        for part in (document['choices'][0], document['choices'][0]['message'], document['usage']): part.update({k: v for k, v in change.items() if k in part})
        await x.reply(status, kind, json.dumps(document).encode())
    monkeypatch.setitem(FAULTS, 'not_json', odd)
    assert meet(Faults(not_json=1., times=1))[:4] == ('p l u m', '', '', 2)
    assert meet(Faults(not_json=1.), max_retries=0).kind == 'server'


# ---- which request meets what
def test_the_draw_depends_on_seed_request_and_arrival_alone():
    faults = Faults(**{name: .05 for name in FAULTS}, seed=5)
    drawn = [draw_fault(faults, f'q{i}', arrival) for i in range(400) for arrival in (1, 2)]
    assert drawn == [draw_fault(Faults(**{name: .05 for name in FAULTS}, seed=5), f'q{i}', arrival) for i in range(400) for arrival in (1, 2)]
    assert drawn != [draw_fault(Faults(**{name: .05 for name in FAULTS}, seed=6), f'q{i}', arrival) for i in range(400) for arrival in (1, 2)]
    assert set(drawn) == {*FAULTS, None}

def test_order_and_concurrency_do_not_matter():
    def fare(workers, words):
        faults = Faults(server_error=.3, reset=.1, half_json=.1, seed=2)
        with scripted_teacher('teacher-clean', faults=faults) as url:
            teacher = Teacher(url, 'x', 'teacher-clean', sleep=lambda seconds: None, max_retries=8)
            with ThreadPoolExecutor(workers) as pool: answers = dict(zip(words, pool.map(lambda word: teacher.ask(f'Spell {word}.').text, words)))
            teacher.close()
        return answers, faults.met
    words = 'plum moon king boat star rain gold lamp fish nest'.split()
    assert fare(1, words) == fare(4, words[::-1])

@pytest.mark.parametrize('shares, says', [(dict(hang=-.1), 'hang is -0.1'), (dict(cut=2), 'cut is 2'), (dict(cut=.7, short=.7), 'add up to 1.4'), (dict(drip=float('nan')), 'drip is nan')])
def test_impossible_shares(shares, says):
    with pytest.raises(ValueError, match=says): Faults(**shares)

def test_without_faults_the_server_is_the_old_one():
    with scripted_teacher(faults=Faults()) as one, scripted_teacher() as two:
        def raw(url, method, page, body=None):
            there = http.client.HTTPConnection(urlsplit(url).hostname, urlsplit(url).port, timeout=30)
            there.request(method, f'/v1/{page}', body)
            reply = there.getresponse()
            got = reply.status, reply.headers['content-type'], reply.read()
            there.close()
            return got
        question = json.dumps({'model': 'teacher-large', 'messages': [{'role': 'user', 'content': 'Spell plum.'}]})
        for request in (('GET', 'models'), ('POST', 'chat/completions', question), ('POST', 'chat/completions', 'nonsense'), ('GET', 'nowhere')): assert raw(one, *request) == raw(two, *request)


# ---- whole runs
@pytest.mark.parametrize('name', PASSING)
def test_a_run_under_one_fault_ends_with_the_records_of_a_calm_run(name, calm, tmp_path):
    faults = Faults(**{name: .3}, seed=1, seconds=2., times=4)  # the fifth try passes
    outcome, usage = run(tmp_path/'log.jsonl', faults, max_retries=8)
    assert essence(outcome) == essence(calm) == essence(replay(tmp_path/'log.jsonl')), outcome.stopped
    assert faults.met[name] > 0
    if name == 'no_usage': assert usage.unreported == faults.met[name] and usage.retries == 0
    else: assert usage.retries >= faults.met[name] - 3  # what is still in the air at the end is not asked again

def test_a_run_under_all_that_may_pass(calm, tmp_path):
    faults = Faults(**{name: .6 / len(PASSING) for name in PASSING}, seed=3, seconds=2., times=4)
    outcome, _ = run(tmp_path/'log.jsonl', faults, max_retries=8)
    assert essence(outcome) == essence(calm) and len(faults.met) > 3

@pytest.mark.parametrize('name', sorted(STOPS))
def test_what_cannot_pass_stops_with_a_reason_and_the_log_goes_on_from_there(name, calm, tmp_path):
    outcome, _ = run(tmp_path/'log.jsonl', Faults(**{name: .25}, seed=1))
    assert len(outcome) < WANTED and {'bad_key': 'refused the key', 'no_model': 'does not offer this model'}[name] in outcome.stopped
    assert 'a-secret-key' not in (tmp_path/'log.jsonl').read_text()
    assert essence(run(tmp_path/'log.jsonl')[0]) == essence(calm)

def test_everything_at_once_ends_or_stops_with_a_reason_and_comes_through_in_the_end(calm, tmp_path):
    log, sentences = tmp_path/'log.jsonl', []
    for seed in range(40):
        outcome, _ = run(log, Faults(**{name: .03 for name in FAULTS}, seed=seed, seconds=2.))
        assert outcome.stopped
        sentences.append(outcome.stopped)
        if outcome.stopped.startswith('done'): break
    assert essence(outcome) == essence(calm)
    numbers = [event['n'] for event in read_events(log) if event['event'] == 'request']
    assert len(numbers) == len(set(numbers)) and set(range(outcome.requests)) <= set(numbers)

@pytest.mark.parametrize('name', ['hang', 'reset', 'not_json', 'rate_limit'])
def test_an_outage_that_never_ends_stops_the_run(name, tmp_path):
    outcome, _ = run(tmp_path/'log.jsonl', Faults(**{name: 1.}), timeout=.1, max_retries=1)
    assert len(outcome) == 0 and ('in a row failed' in outcome.stopped or 'no server answered' in outcome.stopped), outcome.stopped
