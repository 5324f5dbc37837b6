"""The official openai client, unchanged, against a running platform.

OPENAI_BASE_URL and OPENAI_API_KEY come from `slipway env`; CONFORMANCE_ENDPOINT is an endpoint that serves tiny2.
"""

import os
import threading

import openai
import pytest

ENDPOINT = os.environ["CONFORMANCE_ENDPOINT"]
QUESTION = "What is a rollback?"
ANSWER = "A rollback brings the last good version of a model back."


@pytest.fixture(scope="session")
def client():
    return openai.OpenAI(max_retries=0, timeout=30)


def ask(client, question=QUESTION, **more):
    return client.chat.completions.create(
        model=ENDPOINT, messages=[{"role": "user", "content": question}], temperature=0, **more
    )


def test_chat_answers_the_known_question_exactly(client):
    got = ask(client)
    assert got.choices[0].message.content == ANSWER
    assert got.choices[0].message.role == "assistant"
    assert got.choices[0].finish_reason == "stop"
    assert got.object == "chat.completion"
    assert got.usage.prompt_tokens > 0 and got.usage.completion_tokens > 0
    assert got.usage.total_tokens == got.usage.prompt_tokens + got.usage.completion_tokens


def test_streamed_deltas_join_to_the_same_answer(client):
    parts, finish, ids = [], None, set()
    for chunk in ask(client, stream=True):
        ids.add(chunk.id)
        assert chunk.usage is None
        for choice in chunk.choices:
            parts.append(choice.delta.content or "")
            finish = choice.finish_reason or finish
    assert "".join(parts) == ANSWER
    assert len(parts) > 3, "the answer came in one piece"
    assert finish == "stop"
    assert len(ids) == 1


def test_stream_tells_usage_when_asked(client):
    chunks = list(ask(client, stream=True, stream_options={"include_usage": True}))
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens > 0
    assert all(c.usage is None for c in chunks[:-1])


def test_max_tokens_ends_with_length(client):
    got = ask(client, max_tokens=3)
    assert got.choices[0].finish_reason == "length"
    assert got.usage.completion_tokens == 3


def test_stop_string_ends_the_answer_and_is_not_in_it(client):
    got = ask(client, stop=["version"])
    assert got.choices[0].message.content == "A rollback brings the last good "
    assert got.choices[0].finish_reason == "stop"


def test_sixteen_clients_at_once_get_the_exact_answer(client):
    wrong = []

    def one():
        text = ask(client).choices[0].message.content
        if text != ANSWER:
            wrong.append(text)

    threads = [threading.Thread(target=one) for _ in range(16)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert wrong == []


def test_a_client_may_stop_reading_in_mid_stream(client):
    stream = client.chat.completions.create(
        model=ENDPOINT, messages=[{"role": "user", "content": "Tell me a story about a fox."}], stream=True
    )
    for _, _chunk in zip(range(3), stream):
        pass
    stream.close()
    assert ask(client).choices[0].message.content == ANSWER


def test_embeddings_come_as_base64_by_default_and_as_floats(client):
    packed = client.embeddings.create(model=ENDPOINT, input=["the fox ran", "the dog sat"])
    plain = client.embeddings.create(model=ENDPOINT, input=["the fox ran", "the dog sat"], encoding_format="float")
    assert [d.index for d in packed.data] == [0, 1]
    assert len(packed.data[0].embedding) == 192
    assert packed.data[0].embedding == pytest.approx(plain.data[0].embedding, abs=1e-6)
    assert packed.data[0].embedding != pytest.approx(packed.data[1].embedding, abs=1e-3)
    assert packed.usage.prompt_tokens > 0
    single = client.embeddings.create(model=ENDPOINT, input="the fox ran")
    assert single.data[0].embedding == pytest.approx(packed.data[0].embedding, abs=1e-5)


def test_models_lists_the_endpoint(client):
    assert ENDPOINT in [m.id for m in client.models.list()]
    assert client.models.retrieve(ENDPOINT).object == "model"


def test_request_id_is_told(client):
    raw = client.chat.completions.with_raw_response.create(
        model=ENDPOINT, messages=[{"role": "user", "content": QUESTION}], temperature=0
    )
    assert raw.headers["x-request-id"]
    assert raw.headers["x-slipway-served-entity"]
    assert raw.parse()._request_id == raw.headers["x-request-id"]


def test_errors_have_their_kind(client):
    with pytest.raises(openai.NotFoundError) as e:
        client.chat.completions.create(model="no-such-endpoint", messages=[{"role": "user", "content": "x"}])
    assert e.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as e:
        ask(client, n=3)
    assert e.value.param == "n"
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model=ENDPOINT, messages=[])
    with pytest.raises(openai.BadRequestError):
        ask(client, question="word " * 2000)
    with pytest.raises(openai.AuthenticationError) as e:
        openai.OpenAI(api_key="slw_wrong", max_retries=0).models.list()
    assert "slw_wrong" not in str(e.value)


def test_async_client_streams():
    import asyncio

    async def run():
        client = openai.AsyncOpenAI(max_retries=0)
        stream = await client.chat.completions.create(
            model=ENDPOINT, messages=[{"role": "user", "content": QUESTION}], temperature=0, stream=True
        )
        return "".join([c.choices[0].delta.content or "" async for c in stream if c.choices])

    assert asyncio.run(run()) == ANSWER


def test_databricks_base_url_works():
    """Databricks' OpenAI base URL is <host>/serving-endpoints."""
    client = openai.OpenAI(base_url=os.environ["SLIPWAY_URL"] + "/serving-endpoints", max_retries=0)
    assert ask(client).choices[0].message.content == ANSWER
