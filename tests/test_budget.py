"A budget that holds: random teachers, random failures, a server that bills and then breaks, crashes; and forecasts that are right as often as they say."
import json, random, socket, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from alpaca_course import threestep  # noqa: F401  the scripted teacher learns its prompts
from alpaca_course.budget import Amount, Budget, Prior, amount, ceiling, forecast, forecast_before, may_have_cost, most_prompt_tokens, spent, worst_case
from alpaca_course.eventlog import LogError, read_events
from alpaca_course.parsing import parse_response
from alpaca_course.records import read_seeds
from alpaca_course.scripted import MODELS, answer, chance, count_tokens, cut_reply
from alpaca_course.selfinstruct import generate, replay
from alpaca_course.statistics import wilson
from alpaca_course.teacher import Price, Reply, Teacher, TeacherError

SEEDS = read_seeds('data/seed_tasks.jsonl')[:40]

class Watched(Budget):
    "A budget that remembers the most that was ever used and held together."
    def __init__(self, **limits): super().__init__(**limits); self.peak = Amount()
    def reserve(self, most):
        fits = super().reserve(most)
        total = self.used + self.held
        if total.tokens > self.peak.tokens: self.peak = total
        return fits

class Wild:
    "Answers from nothing but the prompt, late, short, unreported, or not at all; `bill` is what it really did."
    name, model = 'wild', 'teacher-large'
    def __init__(self, seed, failures=.3): self.seed, self.failures, self.bill, self.lock = seed, failures, 0, threading.Lock()
    def ask(self, prompt, max_tokens, **_):
        rng = chance(self.seed, prompt)
        time.sleep(rng.random() * .004)
        kind = rng.choice(['timeout', 'server', 'unreachable', 'rate_limit']) if rng.random() < self.failures else None
        text, _ = cut_reply(*answer(rng, prompt, MODELS['teacher-large']), [], max_tokens)
        read, written = rng.choice([count_tokens(prompt), most_prompt_tokens(prompt)]), rng.choice([count_tokens(text), max_tokens])
        if kind != 'rate_limit' and (not kind or rng.random() < .7):
            with self.lock: self.bill += read + written
        if kind: raise TeacherError(kind, 'sorry')
        return Reply(text, 'stop', read, written) if rng.random() < .9 else Reply(text, 'stop')

@pytest.mark.parametrize('seed', range(24))
def test_the_budget_is_never_exceeded_whatever_a_teacher_does(tmp_path, seed):
    rng = random.Random(seed)
    limit, options = rng.randrange(4_000, 60_000), dict(concurrency=8, max_tokens=rng.choice([300, 700, 1500]), template=rng.choice(['alpaca', 'jsonl', 'threestep']))
    limits = dict(tokens=limit) if seed % 2 else dict(dollars=limit * 2e-5)  # $20 for a million tokens, read or written
    budget, teacher = Watched(**limits), Wild(seed, rng.choice([0., .1, .4]))
    outcome = generate(teacher, SEEDS, 60, tmp_path/'log.jsonl', budget=budget, **options)
    assert teacher.bill <= budget.used.tokens <= budget.peak.tokens <= limit
    assert budget.held == Amount() and outcome.stopped
    assert spent(read_events(tmp_path/'log.jsonl')) == budget.used
    assert replay(tmp_path/'log.jsonl') == outcome
    same = Wild(seed)
    generate(same, SEEDS, 60, tmp_path/'log.jsonl', budget=(again := Watched(**limits)), **options)  # again with the same limit: what is spent stays spent
    assert teacher.bill + same.bill <= again.used.tokens <= limit

@pytest.mark.parametrize('template', ['alpaca', 'jsonl', 'threestep'])
def test_what_a_budget_buys_does_not_depend_on_concurrency(tmp_path, template):
    outcomes = [generate(Wild(3, 0.), SEEDS, 500, tmp_path/f'{n}.jsonl', budget=Budget(tokens=25_000), concurrency=n, template=template, max_tokens=700) for n in (1, 3, 8)]
    assert outcomes[0].records and outcomes[0].stopped.startswith('budget reached')
    assert len({(str(o.records), o.requests, o.prompt_tokens, o.completion_tokens, o.stopped) for o in outcomes}) == 1

def test_nothing_is_sent_when_the_first_request_does_not_fit(tmp_path):
    teacher = Wild(0)
    outcome = generate(teacher, SEEDS, 9, tmp_path/'log.jsonl', budget=Budget(tokens=900))
    assert teacher.bill == 0 and outcome.requests == 0
    assert outcome.stopped.startswith('budget reached: $0.0000 (0 tokens) of 900 tokens used')
    assert replay(tmp_path/'log.jsonl').stopped == outcome.stopped

def test_more_money_goes_on_where_less_ended(tmp_path):
    for limit in (8_000, 16_000, 30_000): outcome = generate(Wild(5, 0.), SEEDS, 500, tmp_path/'log.jsonl', budget=Budget(tokens=limit), max_tokens=700)
    assert outcome == generate(Wild(5, 0.), SEEDS, 500, tmp_path/'once.jsonl', budget=Budget(tokens=30_000), max_tokens=700)

def test_a_run_begun_without_a_budget_counts_what_it_has_used(tmp_path):
    teacher = Wild(6, .2)
    generate(teacher, SEEDS, 40, tmp_path/'log.jsonl')
    budget = Budget(tokens=10)
    outcome = generate(teacher, SEEDS, 2000, tmp_path/'log.jsonl', budget=budget)  # far more than the replies that were in the air when the first call ended
    assert budget.used.tokens >= teacher.bill > 10 and outcome.stopped.startswith('budget reached') and len(outcome) >= 40

@pytest.mark.parametrize('options, says', [(dict(dollars=1), 'no price is known for the model strange'), (dict(tokens=0), '0 tokens is no limit'), (dict(dollars=float('nan')), 'no limit'), (dict(), 'dollars, tokens or both')])
def test_impossible_budgets_are_refused_before_anything_is_written(tmp_path, options, says):
    teacher = Wild(0)
    teacher.model = 'strange'
    with pytest.raises(ValueError, match=says): generate(teacher, SEEDS, 9, tmp_path/'log.jsonl', budget=Budget(**options))
    assert not (tmp_path/'log.jsonl').exists() and teacher.bill == 0

def test_a_price_can_be_given_and_stands_in_the_log(tmp_path):
    teacher = Wild(0, 0.)
    teacher.model = 'strange'
    budget = Budget(dollars=.05, price=Price(1., 4., '2026-01', 'a friend'))
    generate(teacher, SEEDS, 500, tmp_path/'log.jsonl', budget=budget)
    assert .02 < budget.used.dollars <= .05
    assert spent(read_events(tmp_path/'log.jsonl')).pico == budget.used.pico  # at the price of that day, whatever today's is


# ---- a real server that bills first and breaks afterwards
class Breaking(BaseHTTPRequestHandler):
    "Refuses, or bills an answer and then delivers it whole, torn, late, as junk, or not at all."
    bill, lock, arrivals, busy = 0, threading.Lock(), 0, 0
    protocol_version = 'HTTP/1.1'
    def log_message(self, *_): pass

    def send(self, status, body, length=None, headers=()):
        self.send_response(status)
        for name, value in (('content-type', 'application/json'), ('content-length', str(length or len(body))), *headers): self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers['content-length'])))
        prompt = request['messages'][0]['content']
        with Breaking.lock: Breaking.arrivals += 1; Breaking.busy += 1; number = Breaking.arrivals
        try: self.answer(request, prompt, number)
        finally:
            with Breaking.lock: Breaking.busy -= 1

    def answer(self, request, prompt, number):
        rng = random.Random(f'{number} {prompt}')
        fault = rng.choice(['429', '500', 'torn', 'late', 'junk', 'drop', '', '', '', ''])
        if fault == '429': return self.send(429, b'{"error": {"message": "slow down"}}', headers=[('retry-after-ms', '1')])
        text, finish = cut_reply(*answer(chance(prompt), prompt, MODELS['teacher-large']), [], request['max_tokens'])
        usage = dict(prompt_tokens=count_tokens(prompt), completion_tokens=count_tokens(text), total_tokens=0)
        with Breaking.lock: Breaking.bill += usage['prompt_tokens'] + usage['completion_tokens']
        body = json.dumps(dict(id='x', object='chat.completion', created=0, model='m', usage=usage, choices=[dict(index=0, finish_reason=finish, message=dict(role='assistant', content=text))])).encode()
        if fault == 'late': time.sleep(1.5)
        if fault == 'drop': return self.connection.shutdown(socket.SHUT_RDWR)
        if fault == '500': return self.send(500, b'{"error": {"message": "oops"}}')
        if fault == 'junk': return self.send(200, b'{"choices": "')
        try: self.send(200, body[:len(body) // 2] if fault == 'torn' else body, len(body))
        except OSError: return  # the client has given up on a late answer
        if fault == 'torn': self.close_connection = True

def test_a_server_that_breaks_after_billing_cannot_break_the_budget(tmp_path):
    server = ThreadingHTTPServer(('127.0.0.1', 0), Breaking)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    teacher = Teacher(f'http://127.0.0.1:{server.server_port}/v1', 'any', 'teacher-large', max_retries=3, first_pause=.001, timeout=1.)
    for number, limit in enumerate([15_000, 60_000]):
        Breaking.bill, budget = 0, Watched(tokens=limit)
        generate(teacher, SEEDS, 200, tmp_path/f'{number}.jsonl', budget=budget, concurrency=8, max_tokens=1000)
        time.sleep(.5)
        while Breaking.busy: time.sleep(.05)  # late answers are billed too
        assert 0 < Breaking.bill <= budget.used.tokens <= budget.peak.tokens <= limit
        assert spent(read_events(tmp_path/f'{number}.jsonl')) == budget.used and budget.held == Amount()
    assert teacher.usage.retries > 3
    teacher.close(); server.shutdown(); server.server_close()

def test_a_retry_that_does_not_fit_ends_the_run(tmp_path):
    class Down(BaseHTTPRequestHandler):
        def log_message(self, *_): pass
        def do_POST(self): self.rfile.read(int(self.headers['content-length'])); self.send_response(500); self.end_headers()
    server = ThreadingHTTPServer(('127.0.0.1', 0), Down)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    teacher = Teacher(f'http://127.0.0.1:{server.server_port}/v1', 'any', 'teacher-large', max_retries=4, first_pause=.001)
    outcome = generate(teacher, SEEDS, 9, tmp_path/'log.jsonl', budget=(budget := Budget(tokens=9_000)), concurrency=1, max_tokens=1000)
    assert 'a request failed, and trying it again may cost' in outcome.stopped and outcome.requests == 0
    assert 6_000 < budget.used.tokens <= 9_000 and budget.held == Amount()
    assert spent(read_events(tmp_path/'log.jsonl')) == budget.used
    server.shutdown(); server.server_close(); teacher.close()

def test_an_unreachable_server_costs_nothing(tmp_path):
    teacher = Teacher('http://127.0.0.1:9/v1', 'any', 'teacher-large', max_retries=1, first_pause=.001)
    outcome = generate(teacher, SEEDS, 9, tmp_path/'log.jsonl', budget=(budget := Budget(tokens=50_000)))
    assert 'no server answered' in outcome.stopped and budget.used == budget.held == Amount()


# ---- the log: verdicts, and logs from before there were any
def test_verdicts_are_in_the_log_and_checked(tmp_path):
    outcome = generate(Wild(7, .1), SEEDS, 60, tmp_path/'log.jsonl')
    tasks = [task for e in read_events(tmp_path/'log.jsonl') if e['event'] == 'verdict' for task in e['tasks']]
    assert [task[1:] for task in tasks if task[0] == 'kept'] == [[r.instruction, r.input, r.output] for r in outcome]
    assert sorted(task[0] for task in tasks if task[0] != 'kept') == sorted(outcome.rejects.elements())
    (tmp_path/'changed.jsonl').write_text((tmp_path/'log.jsonl').read_text().replace('[["kept", "', '[["kept", "X', 1))
    with pytest.raises(LogError, match='judged otherwise when it came'): replay(tmp_path/'changed.jsonl')
    assert replay(tmp_path/'changed.jsonl', parse=parse_response) == outcome  # a parser that is named judges anew
    with pytest.raises(LogError, match='judged otherwise when it came'): generate(Wild(7, .1), SEEDS, 90, tmp_path/'changed.jsonl')

def test_logs_without_verdicts_and_prices_are_read_and_continued(tmp_path):
    outcome = generate(Wild(8, .1), SEEDS, 40, tmp_path/'log.jsonl')
    old = [{k: v for k, v in e.items() if k != 'price'} for e in read_events(tmp_path/'log.jsonl') if e['event'] != 'verdict']
    (tmp_path/'old.jsonl').write_text(''.join(json.dumps(e) + '\n' for e in old))
    assert replay(tmp_path/'old.jsonl') == outcome
    assert generate(Wild(8, .1), SEEDS, 80, tmp_path/'old.jsonl') == generate(Wild(8, .1), SEEDS, 80, tmp_path/'log.jsonl')
    assert [e for e in read_events(tmp_path/'old.jsonl') if e['event'] == 'verdict'][0]['n'] == 0

def test_wanting_more_judges_the_rest_of_a_request(tmp_path):
    for wanted in range(1, 30, 3): outcome = generate(Wild(9, 0.), SEEDS, wanted, tmp_path/'log.jsonl')
    assert replay(tmp_path/'log.jsonl') == outcome and len(outcome) == 28


# ---- bounds and amounts
def test_bytes_bound_tokens():
    rng = random.Random(0)
    for _ in range(300):
        text = ''.join(chr(rng.choice([rng.randrange(32, 127), rng.randrange(0x110000)])) for _ in range(rng.randrange(50)))
        assert count_tokens(text) <= most_prompt_tokens(text)

def test_amounts_are_exact():
    price, rng, total, bills = (.15, .6), random.Random(0), Amount(), []
    for _ in range(5000): bills.append(amount(rng.randrange(5000), rng.randrange(5000), price)); total += bills[-1]
    for bill in rng.sample(bills, len(bills)): total -= bill
    assert total == Amount()

def test_what_may_have_cost():
    assert [may_have_cost(TeacherError(kind, '')) for kind in ('auth', 'model', 'bad_request', 'rate_limit', 'timeout', 'server', 'unreachable')] == [False] * 4 + [True] * 3
    assert may_have_cost(RuntimeError('a bug')) and worst_case('ab', dict(max_tokens=5, n=3))[1] == 15


# ---- forecasts
class Plain:
    "The scripted teacher without its server."
    name, model = 'plain', 'teacher-large'
    def __init__(self, seed, rates): self.seed, self.rates = seed, MODELS[rates]
    def ask(self, prompt, max_tokens, **_):
        text, finish = cut_reply(*answer(chance(self.seed, prompt), prompt, self.rates), [], max_tokens)
        return Reply(text, finish, count_tokens(prompt), count_tokens(text))

@pytest.fixture(scope='module')
def runs(tmp_path_factory):
    folder, seeds = tmp_path_factory.mktemp('runs'), read_seeds('data/seed_tasks.jsonl')
    return [generate(Plain(n, rates), seeds, 80, folder/f'{rates}{n}.jsonl', seed=n, concurrency=1).yields for n in range(30) for rates in ('teacher-large', 'teacher-small')]

def used(yields): return sum(read + written for read, written, _ in yields)

@pytest.mark.parametrize('level', [.5, .9])
@pytest.mark.parametrize('share', [.3, .6])
def test_intervals_hold_the_truth_as_often_as_they_say(runs, level, share):
    intervals = [forecast(y[:max(3, int(share * len(y)))], 80, level=level).tokens for y in runs]
    held = wilson(sum(i.low <= used(y) <= i.high for i, y in zip(intervals, runs)), len(runs))
    print(f'level {level} after {share:.0%}: {held}')
    assert len(runs) == 60 and held.low <= level <= held.high

def test_intervals_for_another_run_hold_its_truth(runs):
    pairs = [(runs[i], runs[i + 2]) for i in range(len(runs) - 2)]  # the same rates, another seed
    held = wilson(sum((i := forecast(a, 80, anew=True).tokens).low <= used(b) <= i.high for a, b in pairs), len(pairs))
    assert held.low <= .9 <= held.high or held.estimate > .9, held

def test_the_band_narrows_and_ends_at_the_truth(runs):
    for y in runs[:10]:
        widths = [(i := forecast(y[:n], 80).tokens).high - i.low for n in (3, len(y))]
        assert widths[1] == 0 < widths[0] and forecast(y, 80).tokens.estimate == used(y)

def test_forecast_before_a_run_holds_both_teachers(runs):
    seeds = read_seeds('data/seed_tasks.jsonl')
    before = forecast_before(seeds, 80, (20., 20.))
    assert sum(before.tokens.low <= used(y) <= before.tokens.high for y in runs) >= 57
    assert before.dollars.estimate == pytest.approx(before.tokens.estimate * 2e-5)
    assert all(ceiling(seeds, len(y)).tokens >= used(y) for y in runs)
    assert forecast_before(seeds, 80, prior=Prior(share_kept=(.01, .02))).requests.estimate > before.requests.estimate

def test_a_forecast_of_a_large_run_is_quick_and_in_proportion():
    yields = [(400, 600, 10 + n % 3) for n in range(2000)]
    large, small = forecast(yields, 1_000_000), forecast(yields[:20], 2_000)
    assert 90_000_000 < large.tokens.low <= large.tokens.estimate < large.tokens.high < 200_000_000
    assert 180_000 < small.tokens.low < small.tokens.high < 400_000
