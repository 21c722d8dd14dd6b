"""The ports of a demo: free, below those of outgoing connections, and never the same twice."""

import socket

from ems.app.demo_site import free_ports


def test_ports_lie_below_those_of_outgoing_connections() -> None:
    assert all(20_000 <= port < 32_000 for port in free_ports(50))


def test_no_port_is_given_twice() -> None:
    ports = [port for _ in range(40) for port in free_ports(3)]
    assert len(set(ports)) == len(ports)


def test_a_port_in_use_is_passed_over() -> None:
    (port,) = free_ports(1)
    with socket.socket() as user:
        user.bind(("127.0.0.1", port + 1 if port < 31_999 else 20_000))
        assert free_ports(1) != [user.getsockname()[1]]
