# SPDX-License-Identifier: Apache-2.0
"""RabbitMQ as a peer of the row enqueue: Debian's package, run from a folder of ours, loopback only."""

import os, shutil

from .processes import WORK, Child, answers, free_port
from .services import fresh_folder


class RabbitMQ:
    def __init__(self):
        folder = fresh_folder("rabbitmq")
        self.port, mapper_port, distribution_port = free_port(), free_port(), free_port()
        with open(f"{folder}/rabbit.conf", "w") as file:
            file.write(
                f"listeners.tcp = none\nstomp.listeners.tcp.1 = 127.0.0.1:{self.port}\nlog.file = false\n"
                "log.console = true\nlog.console.level = warning\ndisk_free_limit.absolute = 50MB\n"
            )
        with open(f"{folder}/enabled_plugins", "w") as file:
            file.write("[rabbitmq_stomp].\n")
        environment = {
            "HOME": folder,
            "ERL_EPMD_PORT": str(mapper_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "LANG": "C.UTF-8",
        }
        # Erlang would start a mapper that outlives the node: ours ends with us.
        self.mapper = Child("epmd", ["epmd", "-port", str(mapper_port)], environment)
        self.mapper.wait_until(lambda: answers(mapper_port))
        environment |= {
            "RABBITMQ_NODENAME": "bench@localhost",
            "RABBITMQ_DIST_PORT": str(distribution_port),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_CONFIG_FILE": f"{folder}/rabbit.conf",
            "RABBITMQ_MNESIA_BASE": f"{folder}/mnesia",
            "RABBITMQ_LOG_BASE": f"{folder}/log",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/enabled_plugins",
            "RABBITMQ_PID_FILE": f"{folder}/pid",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        }
        # Debian's wrapper in /usr/sbin insists on its own user and folders.
        self.node = Child("rabbitmq", ["/usr/lib/rabbitmq/bin/rabbitmq-server"], environment, folder)
        self.node.wait_until(lambda: answers(self.port), 60)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.node.stop()
        self.mapper.stop()
        shutil.rmtree(os.path.join(WORK, "rabbitmq"), ignore_errors=True)
