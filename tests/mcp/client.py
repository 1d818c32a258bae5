"""The Python MCP client against a daemon, in every mode: lists, calls, reads, subscribes, is refused, approves in a form.

Environment: TOMO_URL, TOKEN (every scope), OTHER (the same, another token), VIEWER (read only), TOMO (the binary), SERVER, IMAGE
(an image that the server's engine has; without it nothing is deployed, only refused).
"""

import json
import os
import sys

import anyio
import httpx2
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp_types import ElicitResult, InputRequiredResult, PromptReference, ResourceTemplateReference

URL = os.environ["TOMO_URL"] + "/mcp"
SERVER = os.environ["SERVER"]
IMAGE = os.environ.get("IMAGE")
MODES = ["auto", "legacy", "2026-07-28"]


def http(token, mode, **options):
    headers = {"Authorization": f"Bearer {os.environ[token]}"}
    client = httpx2.AsyncClient(headers=headers, timeout=60)
    return Client(streamable_http_client(URL, http_client=client), mode=mode, **options)


def stdio(token, mode, **options):
    environment = {"TOMO_TOKEN": os.environ[token]}
    parameters = StdioServerParameters(
        command=os.environ["TOMO"], args=["--url", os.environ["TOMO_URL"], "mcp"], env=environment
    )
    return Client(parameters, mode=mode, **options)


def answering(action, content=None):
    """A person at the client, who always does the same; counts the forms."""

    async def answer(_context, params):
        answer.forms.append(params.message)
        return ElicitResult(action=action, content=content)

    answer.forms = []
    return answer


def code(result):
    """The code of a tool's refusal, or `ok`."""
    return result.meta["dev.tomo/error"]["code"] if result.is_error else "ok"


async def patiently(ask):
    """Asks until it is answered; whoever is told to wait a second waits a second."""
    while True:
        try:
            result = await ask()
            if "rate_limited" not in str(getattr(result, "meta", None)):
                return result
        except MCPError as error:
            if "too many calls" not in str(error):
                raise
        await anyio.sleep(1)


async def call(client, name, arguments, **options):
    return await patiently(lambda: client.call_tool(name, arguments, **options))


async def plan(client, name, image):
    made = await call(client, "app_deploy", {"server": SERVER, "name": name, "spec": {"image": image}})
    assert not made.is_error, made
    return made.structured_content


async def status(client, made):
    return (await call(client, "plan_get", {"plan": made["plan"]})).structured_content["status"]


async def looks(client):
    tools = [tool.name for tool in (await client.list_tools()).tools]
    assert tools == sorted(tools) and "overview" in tools and "plan_approve" not in tools, tools
    resources = [str(resource.uri) for resource in (await client.list_resources()).resources]
    assert f"tomo://servers/{SERVER}" in resources, resources
    templates = [one.uri_template for one in (await client.list_resource_templates()).resource_templates]
    assert "tomo://apps/{app}/logs" in templates, templates
    prompts = [prompt.name for prompt in (await client.list_prompts()).prompts]
    assert prompts == ["deploy_app", "diagnose_app", "health_report"], prompts

    overview = await call(client, "overview", {})
    servers = overview.structured_content["servers"]
    assert servers["up"] + servers["degraded"] >= 1, overview
    assert json.loads(overview.content[0].text) == overview.structured_content
    read = await patiently(lambda: client.read_resource(f"tomo://servers/{SERVER}"))
    assert json.loads(read.contents[0].text)["name"] == SERVER, read
    prompt = await client.get_prompt("diagnose_app", {"app": "site"})
    assert '"site"' in prompt.messages[0].content.text, prompt
    server = ResourceTemplateReference(type="ref/resource", uri="tomo://servers/{server}")
    completed = await client.complete(server, {"name": "server", "value": SERVER[:1]})
    assert SERVER in completed.completion.values, completed
    nothing = await client.complete(PromptReference(type="ref/prompt", name="diagnose_app"), {"name": "app", "value": "no-"})
    assert nothing.completion.values == [], nothing
    return f"{len(tools)} tools, {len(resources)} resources, {len(prompts)} prompts"


async def is_refused(connect, mode):
    async with connect("VIEWER", mode) as viewer:
        names = [tool.name for tool in (await viewer.list_tools()).tools]
        assert "app_stop" not in names and "app_deploy" not in names, names
        stopped = await call(viewer, "app_stop", {"app": "site"})
        assert code(stopped) == "denied", stopped
        text = stopped.content[0].text.splitlines()
        assert len(text) == 3 and text[1].startswith("next: ") and text[2] == "retryable: false", text
        try:
            await viewer.call_tool("server_lst", {})
            raise AssertionError("there is no such tool")
        except MCPError as error:
            assert '"server_list"' in str(error), error
        try:
            await viewer.read_resource("tomo://servers/nowhere")
            raise AssertionError("there is no such server")
        except MCPError as error:
            assert "no server" in str(error), error


async def is_told(connect, mode):
    """Subscribes to a server, whose figures change all the time."""
    uri = f"tomo://servers/{SERVER}"
    told = anyio.Event()

    async def handle(message):
        if getattr(message, "method", "") == "notifications/resources/updated" and str(message.params.uri) == uri:
            told.set()

    async with connect("TOKEN", mode, message_handler=handle) as client:
        with anyio.fail_after(30):
            if client.protocol_version >= "2026-07-28":
                async with client.listen(resource_subscriptions=[uri]) as events:
                    async for event in events:
                        assert str(event.uri) == uri, event
                        break
            else:
                await client.subscribe_resource(uri)
                await told.wait()
                await client.unsubscribe_resource(uri)


async def consents(connect, mode, name):
    image = IMAGE or "tomo-test.invalid/nothing:1"
    async with connect("TOKEN", mode) as client:
        made = await plan(client, name, image)
        refused = await call(client, "plan_apply", {"plan": made["plan"]})
        assert code(refused) == "approval_required", refused
        assert f"tomo plan approve {made['plan']}" in refused.content[0].text, refused
        assert await status(client, made) == "pending"

    for person, wanted in [
        (answering("decline"), "declined"),
        (answering("cancel"), "approval_required"),
        (answering("accept", {"approve": False}), "declined"),
    ]:
        async with connect("TOKEN", mode, elicitation_callback=person) as client:
            refused = await call(client, "plan_apply", {"plan": made["plan"]})
            assert code(refused) == wanted, (wanted, refused)
            assert len(person.forms) == 1 and image in person.forms[0], person.forms
            assert await status(client, made) == "pending"

    person = answering("accept", {"approve": True})
    async with connect("TOKEN", mode, elicitation_callback=person) as client:
        if client.protocol_version >= "2026-07-28":
            await replays(connect, mode, client, made)
        applied = await call(client, "plan_apply", {"plan": made["plan"], "reason": "approved in a form"})
        assert code(applied) == "ok" and len(person.forms) == 1, applied
        operation = applied.structured_content["operation"]
        again = await call(client, "plan_apply", {"plan": made["plan"]})
        assert again.structured_content["operation"] == operation and len(person.forms) == 1, again
        steps = []

        async def progress(done, _total, message):
            steps.append((done, message))

        ended = await call(
            client, "operation_get", {"operation": operation, "wait_s": 50}, progress_callback=progress
        )
        outcome = ended.structured_content["status"]
        assert outcome == ("succeeded" if IMAGE else "failed"), ended
        return f"{outcome}, {len(steps)} steps told"


async def replays(connect, mode, client, made):
    """An answer to another's form, to an old one, or to one that was answered changes nothing."""
    apply = {"name": "plan_apply", "arguments": {"plan": made["plan"]}, "allow_input_required": True}
    yes = {"consent": ElicitResult(action="accept", content={"approve": True})}
    no = {"consent": ElicitResult(action="decline")}

    async def asked(by):
        form = await patiently(lambda: by.session.call_tool(**apply))
        assert isinstance(form, InputRequiredResult), form
        return form.request_state

    async def answers(by, state, answer, wanted):
        again = {**apply, "input_responses": answer, "request_state": state}
        result = await patiently(lambda: by.session.call_tool(**again))
        assert code(result) == wanted, (wanted, result)
        assert await status(client, made) == "pending"

    state = await asked(client)
    async with connect("OTHER", mode, elicitation_callback=answering("cancel")) as other:
        await answers(other, state, yes, "invalid")
    await answers(client, state + "x", yes, "invalid")
    await answers(client, state, no, "declined")
    await answers(client, state, yes, "invalid")


async def main():
    for way, connect in [("http", http), ("stdio", stdio)]:
        for mode in MODES:
            async with connect("TOKEN", mode) as client:
                seen = await looks(client)
                version = client.protocol_version
            await is_refused(connect, mode)
            await is_told(connect, mode)
            name = f"py-{os.getpid()}-{way}-{mode}"
            deployed = await consents(connect, mode, name)
            print(f"{way:5} {mode:10} {version}: {seen}; refused, told; deploy {deployed}", flush=True)


if __name__ == "__main__":
    sys.exit(anyio.run(main))
