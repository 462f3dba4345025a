"""The teacher over real HTTP on 127.0.0.1: errors by class, bounded retries, the scripted server, hostile requests, no endpoint by accident."""
import http.client, json, random, socket, subprocess, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest

from alpaca_course.families import FAMILIES, check, draw_item, has_style
from alpaca_course.records import TEMPLATES, Record
from alpaca_course.scripted import MODELS, Rates, chance, scripted_teacher
from alpaca_course.teacher import Teacher, TeacherError, judge_prompt, open_teacher, parse_verdict, read_judge_prompt

VARIABLES = ('OPENAI_BASE_URL', 'OPENAI_API_KEY', 'ALPACA_TEACHER_MODEL', 'HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'http_proxy', 'https_proxy', 'all_proxy')
FINE = json.dumps({'id': 'x', 'object': 'chat.completion', 'created': 0, 'model': 'm', 'usage': {'prompt_tokens': 3, 'completion_tokens': 2, 'total_tokens': 5},
                   'choices': [{'index': 0, 'finish_reason': 'stop', 'message': {'role': 'assistant', 'content': 'moon sun'}}]}).encode()

@pytest.fixture(autouse=True)
def no_settings(monkeypatch):
    "As on a student's machine: nothing configured."
    for name in VARIABLES: monkeypatch.delenv(name, raising=False)

@pytest.fixture(scope='module')
def url():
    with scripted_teacher() as base_url: yield base_url

def post(url, page, body):
    "(status, bytes) of one raw POST; `body` is bytes or becomes JSON."
    there = http.client.HTTPConnection(urlsplit(url).hostname, urlsplit(url).port, timeout=30)
    there.request('POST', f'/v1/{page}', body if isinstance(body, bytes) else json.dumps(body), {'Content-Type': 'application/json'})
    reply = there.getresponse()
    content = reply.read()
    there.close()
    return reply.status, content

@contextmanager
def server_that_answers(*plan):
    "Run the steps of `plan` one request after another, the last one for ever: (status, headers, body), or a function of the handler that gives them or None."
    seen = []
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers['Content-Length']))
            step = plan[min(len(seen), len(plan) - 1)]
            seen.append(self.headers['Authorization'])
            if callable(step): step = step(self)
            if step is None: return
            status, headers, body = step
            self.send_response(status)
            for name, value in {'Content-Type': 'application/json', 'Content-Length': str(len(body)), **headers}.items(): self.send_header(name, value)
            self.end_headers(); self.wfile.write(body)
        def log_message(self, *args): pass
    server = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(.01,), daemon=True)
    thread.start()
    try: yield f'http://127.0.0.1:{server.server_port}/v1', seen
    finally: server.shutdown(); server.server_close(); thread.join(5)

def ask(plan, retries=3, **settings):
    "(text or TeacherError, requests seen, waits) against a server that follows `plan`."
    waits = []
    with server_that_answers(*plan) as (base_url, seen):
        teacher = Teacher(base_url, 'sk-a-secret-key', 'm', max_retries=retries, sleep=waits.append, **settings)
        try: got = teacher.ask('Hello').text
        except TeacherError as error: got = error
        teacher.close()
        until = time.monotonic() + 60
        while len(seen) <= len(waits) and time.monotonic() < until: time.sleep(.01)  # a busy server reads a request after its client has given up
    return got, len(seen), waits

def failure(status, message='made to fail', code='', **headers):
    return status, {name.replace('_', '-'): value for name, value in headers.items()}, json.dumps({'error': {'message': message, 'code': code}}).encode()

def drop(handler): handler.connection.shutdown(socket.SHUT_RDWR)
def half(handler):
    handler.send_response(200); handler.send_header('Content-Type', 'application/json'); handler.send_header('Content-Length', str(len(FINE))); handler.end_headers()
    handler.wfile.write(FINE[:40]); handler.wfile.flush(); handler.connection.shutdown(socket.SHUT_RDWR)
def slow(handler): time.sleep(5.)
def in_half_a_minute(handler): return failure(429, retry_after=time.strftime('%a, %d %b %Y %H:%M:%S GMT', time.gmtime(time.time() + 30)))


# ---- imports
def test_import_is_light():
    code = "import sys, alpaca_course.teacher; print([m for m in ('openai', 'torch', 'starlette', 'uvicorn', 'transformers') if m in sys.modules])"
    assert subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True).stdout.strip() == '[]'

def test_scripted_needs_no_torch():
    code = "import sys, alpaca_course.scripted; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True).stdout.strip() == 'False'


# ---- errors by class
@pytest.mark.parametrize('status, kind', [(400, 'bad_request'), (401, 'auth'), (403, 'auth'), (404, 'model'), (422, 'bad_request')])
def test_errors_that_stay_stop_at_once(status, kind):
    error, requests, waits = ask([failure(status)])
    assert (error.kind, requests, waits) == (kind, 1, [])

@pytest.mark.parametrize('step, kind', [(failure(408), 'timeout'), (failure(409), 'server'), (failure(429), 'rate_limit'), (failure(500), 'server'), (failure(503), 'server'),
                                        (drop, 'unreachable'), (half, 'unreachable'), ((200, {}, b'{"choices": ['), 'server'), ((200, {}, b'{}'), 'server'), ((200, {}, b''), 'server'),
                                        ((200, {}, b'null'), 'server'), ((200, {}, b'{"object": "chat.completion", "choices": []}'), 'server'), ((200, {}, b'\xff\xfe'), 'server'),
                                        ((200, {'Content-Type': 'text/html'}, b'<html>Welcome</html>'), 'server')])
def test_errors_that_may_pass_are_tried_again_and_no_longer(step, kind):
    error, requests, waits = ask([step], retries=2)
    assert (error.kind, requests, len(waits)) == (kind, 3, 2), str(error)
    text, requests, waits = ask([step, step, (200, {}, FINE)], retries=2)
    assert (text, requests, len(waits)) == ('moon sun', 3, 2)

def test_timeout():
    error, requests, waits = ask([slow], retries=1, timeout=.3)
    assert (error.kind, requests, len(waits)) == ('timeout', 2, 1)

def test_nobody_listens():
    waits = []
    with pytest.raises(TeacherError, match='no server answered.*start the server') as caught: Teacher('http://127.0.0.1:9/v1', 'x', 'm', sleep=waits.append).ask('Hello')
    assert caught.value.kind == 'unreachable' and len(waits) == 4 and waits == sorted(waits)

def test_an_empty_account_is_not_a_rate_limit():
    error, requests, _ = ask([failure(429, code='insufficient_quota')])
    assert (error.kind, requests) == ('auth', 1)

def test_retry_after_is_honoured():
    fine = (200, {}, FINE)
    assert ask([failure(429, retry_after='7'), fine])[2] == [7]
    assert ask([failure(503, retry_after='7', retry_after_ms='1500'), fine])[2] == [1.5]
    assert 20 < ask([in_half_a_minute, fine])[2][0] <= 30
    assert .375 <= ask([failure(429, retry_after='soon'), fine])[2][0] <= .5
    error, requests, waits = ask([failure(429, retry_after='86400'), fine])  # a day
    assert (error.kind, requests, waits) == ('rate_limit', 1, [])

def test_messages_are_one_sentence_and_keep_secrets():
    error, _, _ = ask([failure(401, message='Incorrect key\nsk-a-secret-key\nprovided.')])
    message = str(error)
    assert 'sk-a-secret-key' not in message and '\n' not in message and 'http://127.0.0.1' in message and 'model m' in message and 'OPENAI_API_KEY' in message
    assert 'pass' not in Teacher('http://ana:pass@127.0.0.1:9/v1?k=pass', 'x', 'm').name

def test_a_key_with_a_newline_works_and_an_impossible_one_is_refused():
    with server_that_answers((200, {}, FINE)) as (base_url, seen):
        assert Teacher(base_url, ' sk-1\n', 'm').ask('Hello').text == 'moon sun'
        with pytest.raises(TeacherError, match='letters no key has'): Teacher(base_url, 'schlüssel', 'm')
    assert seen == ['Bearer sk-1']

def test_a_prompt_that_cannot_be_sent(url):
    with pytest.raises(TeacherError) as caught: Teacher(url, 'x', 'teacher-clean').ask('half a character: \ud800')
    assert caught.value.kind == 'bad_request'

def test_a_proxy_does_not_get_requests_for_this_machine(url, monkeypatch):
    for name in ('HTTP_PROXY', 'http_proxy', 'ALL_PROXY', 'all_proxy'): monkeypatch.setenv(name, 'http://127.0.0.1:9')
    assert Teacher(url, 'x', 'teacher-clean', max_retries=0).ask('Spell moon.').text == 'm o o n'


# ---- which teacher
def test_nothing_configured_starts_and_stops_by_itself():
    with open_teacher() as teacher:
        assert teacher.name == 'scripted teacher-large on 127.0.0.1' and teacher.models()[0] == 'teacher-large'
        address = urlsplit(teacher.base_url)
    with pytest.raises(OSError): socket.create_connection((address.hostname, address.port), timeout=1)
    assert not [t for t in threading.enumerate() if t.name == 'scripted teacher' and t.is_alive() and t not in BEFORE]

BEFORE = set()

@pytest.fixture(autouse=True)
def threads_before():
    BEFORE.clear(); BEFORE.update(threading.enumerate())

def test_it_stops_when_interrupted():
    with pytest.raises(KeyboardInterrupt):
        with open_teacher() as teacher:
            address = urlsplit(teacher.base_url)
            raise KeyboardInterrupt
    with pytest.raises(OSError): socket.create_connection((address.hostname, address.port), timeout=1)

def test_a_key_alone_spends_nothing(monkeypatch):
    monkeypatch.setenv('OPENAI_API_KEY', 'sk-real')
    with open_teacher() as teacher: assert teacher.name.startswith('scripted')

def test_environment_and_arguments(url, monkeypatch):
    monkeypatch.setenv('OPENAI_BASE_URL', url)
    with pytest.raises(TeacherError, match='set OPENAI_API_KEY, any text for a local server'), open_teacher('teacher-clean'): pass
    monkeypatch.setenv('OPENAI_API_KEY', 'anything')
    with pytest.raises(TeacherError, match='set ALPACA_TEACHER_MODEL'), open_teacher(): pass
    monkeypatch.setenv('ALPACA_TEACHER_MODEL', 'teacher-clean')
    with open_teacher() as teacher: assert teacher.name == f'teacher-clean at {url}' and teacher.ask('Spell moon.').text == 'm o o n'
    with open_teacher('teacher-biased', api='completions') as teacher: assert (teacher.model, teacher.api) == ('teacher-biased', 'completions')
    for name in VARIABLES[:3]: monkeypatch.setenv(name, '')
    with open_teacher() as teacher: assert teacher.name.startswith('scripted')

def test_a_model_without_an_endpoint():
    with pytest.raises(TeacherError, match='set OPENAI_BASE_URL') as caught, open_teacher('gpt-9'): pass
    assert caught.value.kind == 'model'


# ---- the scripted teacher
def prompts():
    "A list, a judge prompt and questions in every template."
    items = [draw_item(chance(i), family) for i, family in enumerate(FAMILIES)]
    shown = ''.join(f'{n}. Instruction: {i.instruction}\n{n}. Input:\n{i.input or "<noinput>"}\n{n}. Output:\n{i.answer}\n###\n' for n, i in enumerate(items[:3], 1))
    asked = [t.prompt(Record(i.instruction, i.input)) for t in TEMPLATES.values() for i in items]
    return ['A list of 20 tasks\n###\n' + shown + '4. Instruction:', judge_prompt('Add 2 and 3.', '', '5', '6'), *asked]

def test_two_servers_answer_byte_for_byte_alike():
    asked = [(page, {'model': model, 'seed': seed, 'temperature': .7, **({'prompt': p} if page == 'completions' else {'messages': [{'role': 'user', 'content': p}]})})
             for p in prompts()[:8] for page in ('completions', 'chat/completions') for model in MODELS for seed in (0, 1)]
    with scripted_teacher() as one: first = [post(one, *request) for request in asked]
    with scripted_teacher() as two: second = [post(two, *request) for request in random.Random(1).sample(asked, len(asked))]
    assert sorted(first) == sorted(second)
    with scripted_teacher(seed=1) as three: assert [post(three, *request) for request in asked] != first

def test_clean_teacher_answers_every_family_in_every_template(url):
    teacher = Teacher(url, 'x', 'teacher-clean')
    for family in FAMILIES:
        for i, template in enumerate(TEMPLATES.values()):
            item = draw_item(chance('clean', family, i), family, split='test', framed=bool(i % 2))
            answer = teacher.ask(template.prompt(Record(item.instruction, item.input))).text
            assert check(item, answer) and not has_style(answer), (item, answer)

def test_chat_and_completions_agree_and_tokens_add_up(url):
    for prompt in prompts()[:5]:
        chat, plain = (Teacher(url, 'x', 'teacher-large', api=api, first_pause=.01).ask(prompt, seed=3) for api in ('chat', 'completions'))
        assert chat == plain and chat.prompt_tokens > 0 and chat.completion_tokens > 0
    short = Teacher(url, 'x', 'teacher-clean').ask('Spell moon.', max_tokens=2)
    assert (short.text, short.finish_reason, short.completion_tokens) == ('m o', 'length', 2)
    assert Teacher(url, 'x', 'teacher-clean').ask('Spell moon.', stop=['o']).text == 'm '

def test_many_threads_one_teacher(url):
    teacher = Teacher(url, 'x', 'teacher-large', first_pause=.01)
    with ThreadPoolExecutor(16) as pool: replies = list(pool.map(lambda i: teacher.ask('Spell moon.', seed=i), range(400)))
    assert teacher.usage.requests == 400 and teacher.usage.completion_tokens == sum(reply.completion_tokens for reply in replies)
    assert 0 < teacher.usage.retries < 40
    assert [teacher.ask('Spell moon.', seed=i) for i in range(20)] == replies[:20]

def test_rates_are_kept():
    "Each share within five standard errors; no limit that a fair server would miss."
    def share(name, hits, n, said): assert abs(hits / n - said) < 5 * (said * (1 - said) / n) ** .5, f'{name}: {hits} of {n}, advertised {said}'
    from alpaca_course.scripted import Script, answer_item, failure as fails, next_task, verdict
    n, large = 4000, MODELS['teacher-large']
    items = [draw_item(chance(i), family) for i, family in enumerate(('add', 'reverse', 'fact', 'unknown', 'refusal') * (n // 5))]
    answers = [(item, answer_item(chance('rates', i), item, large)) for i, item in enumerate(items)]
    for family, said in (('unknown', large.made_up), ('refusal', large.harmful), ('add', large.wrong)):
        mine = [(item, answer) for item, answer in answers if item.family == family]
        share(family, sum(not check(*pair) for pair in mine), len(mine), said)
    polite = [has_style(answer) for item, answer in answers if item.family in ('add', 'reverse', 'fact')]
    share('style', sum(polite), len(polite), large.style)
    share('failure', sum(fails(large, i) is not None for i in range(n)), n, large.failure)
    above = [Record('Spell moon.', '', 'm o o n'), Record('Add 2 and 3.', '', '5')]
    tasks = [next_task(chance('tasks', i), above, [], large) for i in range(n)]
    share('copies', sum(task in above for task in tasks), n, large.duplicate)
    near = sum(task not in above and any(task.instruction.lower().endswith(a.instruction[1:].lower()) for a in above) for task in tasks)
    share('near copies', near, n, large.near_duplicate)
    case = dict(zip(('instruction', 'input', 'answer A', 'answer B'), ('Add 2 and 3.', '', '6', 'It is 5.')))
    share('judge: first', sum(verdict(chance('judge', i), case, large) == 'A' for i in range(n)), n, large.judge_first)

def test_failures_pass_when_tried_again():
    with scripted_teacher('shaky', rates=Rates(failure=.5)) as base_url:
        teacher = Teacher(base_url, 'x', 'shaky', max_retries=30, sleep=lambda seconds: None)
        assert len([teacher.ask('Spell moon.', seed=i) for i in range(60)]) == 60
        assert 20 < teacher.usage.retries < 150

def test_biased_teacher_is_wrong_always_and_only_there(url):
    teacher = Teacher(url, 'x', 'teacher-biased', first_pause=.01)
    soup = [teacher.ask('Is this opinion good or bad?\nInput: The soup was lovely.', seed=i).text for i in range(100)]
    film = [teacher.ask('Is this opinion good or bad?\nInput: The film was lovely.', seed=i).text for i in range(100)]
    assert sum('bad' in text for text in soup) > 80 and sum('bad' in text for text in film) < 25

HOSTILE = [b'', b'{', b'null', b'[]', b'7', b'"text"', b'\x00', b'\xff\xfe', b'[' * 100_000, b'{"model": "teacher-large"}', b'{"model": 7, "prompt": "x"}', b'x' * 300_000,
           {'model': 'teacher-large', 'prompt': 7, 'messages': 7}, {'model': 'teacher-large', 'prompt': None, 'messages': []}, {'model': 'teacher-large', 'prompt': ['a'] , 'messages': [7]},
           *[{'model': 'teacher-large', 'prompt': 'Hello', 'messages': [{'role': 'user', 'content': 'Hello'}], name: value} for name, value in
             [('temperature', 'hot'), ('temperature', -1), ('temperature', float('nan')), ('seed', 1.5), ('seed', True), ('seed', 10**40), ('n', 0), ('n', 10**9), ('max_tokens', 0),
              ('stop', 7), ('stop', ['a'] * 9), ('stop', ['']), ('stream', True)]]]

@pytest.mark.parametrize('body', HOSTILE, ids=lambda body: repr(body)[:40])
def test_hostile_requests_are_refused_in_json(url, body):
    for page in ('completions', 'chat/completions'):
        status, content = post(url, page, body)
        assert status == 400 and json.loads(content)['error']['message']

def test_odd_prompts_are_answered(url):
    for prompt in ('', '\x00', '\ud800', '🦙' * 1000, '1. Instruction:', '9999. Instruction:', '#' * 5000 + '\n1. Instruction:', '1. Instruction: a\n1. Input: ' * 2000 + '\n2. Instruction:', '1' * 50_000,
                   'Input: ' * 5000, judge_prompt('\ud800', '', 'a', 'b'), judge_prompt('a', 'b', 'c', 'd') * 2):
        status, content = post(url, 'completions', {'model': 'teacher-clean', 'prompt': prompt})
        assert status == 200 and isinstance(json.loads(content)['choices'][0]['text'], str)

def test_other_pages_and_models_answer_in_json(url):
    assert [(status, json.loads(content)['error']['code']) for status, content in (post(url, 'embeddings', {}), post(url, 'models', {}), post(url, 'completions', {'model': 'x', 'prompt': ''}))] == [
        (404, 'not_found'), (405, 'not_found'), (404, 'model_not_found')]


# ---- the judge
def test_judge_prompts_survive_their_answers():
    rng, letters = random.Random(0), 'ab{}[]":\\\n#, \u2028🦙'
    for _ in range(500):
        fields = [''.join(rng.choice(letters) for _ in range(rng.randrange(12))) for _ in range(4)]
        assert list(read_judge_prompt(judge_prompt(*fields)).values()) == fields

def test_clean_judge_is_right_in_both_orders(url):
    teacher = Teacher(url, 'x', 'teacher-clean')
    ask = lambda a, b: parse_verdict(teacher.ask(judge_prompt('Reverse the words.', 'moon king', a, b), temperature=0).text)
    assert [ask('king moon', 'moon king, I am sure'), ask('moon king, I am sure', 'king moon'), ask('king moon', 'Sure! king moon'), ask('no', 'never')] == ['A', 'B', 'tie', 'tie']
