"""Nothing private is asked, whatever leads there, unless the recipe says so; and nobody else is told who asks."""

from __future__ import annotations

import socket

import pytest

from ladle_http.addresses import private_kind

ROWS = [{"n": 1}]
PUBLIC = "93.184.215.14"
PRIVATE = {
    "127.0.0.1": "a loopback address (this machine)",
    "127.1.2.3": "a loopback address (this machine)",
    "0.0.0.0": "a loopback address (this machine)",
    "::1": "a loopback address (this machine)",
    "::": "a loopback address (this machine)",
    "::ffff:127.0.0.1": "a loopback address (this machine)",
    "10.1.2.3": "a private address",
    "172.16.0.1": "a private address",
    "192.168.1.1": "a private address",
    "100.64.0.1": "a private address",
    "100.100.100.200": "a private address",
    "192.0.0.192": "a private address",
    "198.18.0.1": "a private address",
    "240.0.0.1": "a private address",
    "255.255.255.255": "a private address",
    "169.254.169.254": "a link-local address",
    "fe80::1": "a link-local address",
    "fe80::1%eth0": "a link-local address",
    "::ffff:a9fe:a9fe": "a link-local address",
    "64:ff9b::a9fe:a9fe": "a link-local address",
    "2002:a9fe:a9fe::1": "a link-local address",
    "168.63.129.16": "the address of a cloud's metadata",
    "224.0.0.1": "a multicast address",
    "ff02::1": "a multicast address",
    "fd00:ec2::254": "a private address",
    "fec0::1": "a private address",
    "::7f00:1": "a private address",
    "64:ff9b::10.0.0.1": "a private address",
    "2002:0a00:0001::1": "a private address",
    "2001:0:4136:e378:8000:63bf:f5ff:fffe": "a private address",
    "2001:db8::1": "a private address",
    "64:ff9b:1::1": "a private address",
    "3fff::1": "a private address",
}


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_known_in_every_form(address):
    assert private_kind(address) == PRIVATE[address]


@pytest.mark.parametrize(
    "address", [PUBLIC, "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1"]
)
def test_public_addresses_are_none_of_these(address):
    assert private_kind(address) is None


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "169.254.169.254", "[::1]", "[::ffff:10.0.0.1]", "10.0.0.1:80"]
)
def test_a_private_address_in_the_recipe_is_refused_when_it_is_checked(refused, host):
    error = refused(url=f"http://{host}/films")
    assert f"is {private_kind(host.removesuffix(':80').strip('[]').replace('localhost', '127.0.0.1'))}" in str(error)
    assert error.help == "if it is meant to be asked, set allow_private = true"
    assert error.option == "url"


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "127.1", "017700000001"])
def test_other_spellings_of_this_machine_are_refused_when_they_are_asked(api, failure, host):
    try:
        socket.getaddrinfo(host, 80)
    except OSError:
        pytest.skip("this machine does not know such addresses")
    error = failure(url=api.url(host=host), allow_private=False)
    assert "a loopback address (this machine)" in str(error)
    assert api.asked == []


def test_a_public_name_is_asked_at_the_address_that_was_checked(api, internet, read):
    internet.names["api.test"] = [PUBLIC]
    api.serve([{"n": n} for n in range(3)], 1)
    found = read(
        url="http://api.test/films", rows="data.items", pages={"by": "cursor", "at": "meta.cursor"}, allow_private=False
    )
    assert len(found.rows) == 3
    assert (internet.looked_up, internet.connected) == (["api.test"], [PUBLIC])
    assert api.asked[0].headers["host"] == "api.test"


@pytest.mark.parametrize("others", [[], [PUBLIC], [PUBLIC, "8.8.8.8"]])
def test_a_name_with_one_private_address_is_refused(api, internet, failure, others):
    internet.names["api.test"] = [*others, "10.0.0.5"]
    error = failure(url="http://api.test/films", allow_private=False)
    assert str(error) == "`api.test` is at 10.0.0.5, a private address"
    assert error.help == "if it is meant to be asked, set allow_private = true"
    assert internet.connected == []


def test_a_name_is_not_looked_up_again_between_check_and_connection(api, internet, read, monkeypatch):
    answers = [[PUBLIC], ["127.0.0.1"]]
    look_up = socket.getaddrinfo

    def rebinding(host, port, *options, **others):
        internet.names[host] = answers.pop(0)
        return look_up(host, port, *options, **others)

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    api.respond = lambda asked: ROWS
    assert read(url="http://api.test/films", allow_private=False).rows == ROWS
    assert internet.connected == [PUBLIC]


def test_the_next_address_is_tried_where_one_does_not_answer(api, internet, read, monkeypatch):
    internet.names["api.test"] = ["8.8.8.8", PUBLIC]
    connect = socket.create_connection

    def unreachable(address, *options, **others):
        if address[0] == "8.8.8.8":
            raise OSError(113, "No route to host")
        return connect(address, *options, **others)

    monkeypatch.setattr(socket, "create_connection", unreachable)
    api.respond = lambda asked: ROWS
    assert read(url="http://api.test/films", allow_private=False).rows == ROWS
    assert internet.connected == [PUBLIC]


@pytest.mark.parametrize("where", ["http://10.0.0.5/latest", "http://inside.test/x", "//127.0.0.1/x"])
@pytest.mark.parametrize("way", ["redirect", "next", "link"])
def test_what_leads_to_a_private_address_is_refused(api, internet, failure, where, way):
    internet.names |= {"api.test": [PUBLIC], "inside.test": ["10.0.0.5"]}
    internet.names |= {address: [address] for address in ("10.0.0.5", "127.0.0.1")}
    options = {"redirect": {}, "next": {"rows": "rows", "pages": {"by": "next"}}, "link": {"pages": {"by": "link"}}}
    api.respond = lambda asked: {
        "redirect": api.reply(status=302, headers={"Location": where}),
        "next": {"rows": ROWS, "next": where},
        "link": api.reply(ROWS, headers={"Link": f"<{where}>; rel=next"}),
    }[way]
    error = failure(url="http://api.test/films", allow_private=False, **options[way])
    assert str(error).endswith(("address", "address (this machine)"))
    assert str(error).startswith("http://api.test/films leads elsewhere, and `" if way == "redirect" else "`")
    assert set(internet.connected) == {PUBLIC}
    assert len(api.asked) == 1


def test_redirects_are_followed(api, read):
    def respond(asked):
        hop = int(asked.query.get("hop", 0))
        status = (301, 302, 303, 307, 308)[hop % 5]
        return ROWS if hop == 10 else api.reply(status=status, headers={"Location": f"/films?hop={hop + 1}"})

    api.respond = respond
    found = read()
    assert found.rows == ROWS
    assert found.origins == [(api.url(), 1)]
    assert len(api.asked) == 11


def test_redirects_in_a_circle_end(api, failure):
    api.respond = lambda asked: api.reply(status=302, headers={"Location": "/films"})
    assert str(failure()) == f"{api.url()} leads from one address to the next, more than 10 times"


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://x/y", "javascript:1"])
def test_redirects_that_leave_the_web_are_refused(api, failure, location):
    api.respond = lambda asked: api.reply(status=302, headers={"Location": location})
    assert str(failure()) == f'{api.url()} leads to "{location}", which is no address of the web'


def test_a_post_is_sent_again_only_where_the_server_says_so(api, read, failure):
    api.respond = lambda asked: ROWS if asked.query else api.reply(status=307, headers={"Location": "?again=1"})
    assert read(method="POST", body={"a": 1}).rows == ROWS
    assert [(asked.method, asked.body) for asked in api.asked] == [("POST", {"a": 1})] * 2
    api.respond = lambda asked: api.reply(status=302, headers={"Location": "?again=1"})
    error = failure(method="POST")
    assert str(error) == f"{api.url()} answers a POST with 302 (Found), and leads elsewhere"
    assert len(api.asked) == 3


AUTH = {"bearer": "token-1", "headers": {"X-Key": "key-1"}, "parameters": {"api_key": "key-2"}}


@pytest.mark.parametrize(
    ("there", "is_told"),
    [
        ("http://api.test/more", True),
        ("http://api.test:80/more", True),
        ("http://API.test/more", True),
        ("http://api.test:8080/more", False),
        ("http://other.test/more", False),
        ("http://sub.api.test/more", False),
    ],
)
@pytest.mark.parametrize("way", ["redirect", "next"])
def test_only_the_host_of_the_recipe_is_told_who_asks(api, internet, read, there, is_told, way):
    internet.names |= {host: [PUBLIC] for host in ("api.test", "other.test", "sub.api.test")}
    replies = {
        "redirect": api.reply(status=302, headers={"Location": there}),
        "next": {"rows": ROWS, "next": there},
    }
    api.respond = lambda asked: {"rows": ROWS, "next": None} if asked.path == "/more" else replies[way]
    read(
        url="http://api.test/films",
        allow_private=False,
        auth=AUTH,
        headers={"X-Tenant": "t"},
        rows="rows",
        pages={"by": "next"},
    )
    home, more = api.asked
    for asked in (home, more) if is_told else (home,):
        assert (asked.headers["authorization"], asked.headers["x-key"]) == ("Bearer token-1", "key-1")
        assert (asked.headers["x-tenant"], asked.query["api_key"]) == ("t", "key-2")
    if not is_told:
        assert not {"authorization", "x-key", "x-tenant"} & set(more.headers)
        assert more.query == {}
