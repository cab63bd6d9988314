#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Starts prosody or ejabberd, unprivileged, in a folder of its own: xmpp_server.py KIND FOLDER C2S COMPONENT EPMD USERS [CERT KEY]

The domain is example.test, the components queue.example.test and count.example.test (secret s3cret), the users u0, u1, ... and bot (password pw).
Says "ready" when it takes connections. Commands on standard input: kill; stop (by SIGTERM); start; freeze, thaw: it keeps
its connections and says nothing; certificate CERT KEY (of the next start). Its end is the server's.
"""
import ctypes, os, pwd, shutil, signal, socket, subprocess, sys, time

# The test process may have blocked signals, and a server that inherits that never hears SIGTERM.
signal.pthread_sigmask(signal.SIG_SETMASK, ())
kind, folder, c2s, component, epmd_port, users = sys.argv[1:7]
certificate = sys.argv[7:9]
names = ["bot"] + [f"u{number}" for number in range(int(users))]
# Both servers refuse to be root, or should.
account = pwd.getpwnam("nobody") if os.getuid() == 0 else None
environment = dict(os.environ, HOME=folder)


def start(command, **variables):
    def prepare():
        os.setsid()
        if account:
            os.setgroups([])
            os.setgid(account.pw_gid)
            os.setuid(account.pw_uid)
        # Killed with us, however we end.
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)

    return subprocess.Popen(
        command, cwd=folder, env=environment | variables, preexec_fn=prepare, stdin=subprocess.DEVNULL,
        stdout=open(f"{folder}/log", "ab"), stderr=subprocess.STDOUT,
    )


def answers(port):
    try:
        socket.create_connection(("127.0.0.1", int(port)), 1).close()
        return True
    except OSError:
        return False


def wait(what):
    end = time.monotonic() + 60
    while not what():
        if time.monotonic() > end:
            sys.exit(f"{kind} didn't start: " + open(f"{folder}/log").read()[-2000:])
        time.sleep(0.05)


def write(name, text):
    os.makedirs(os.path.dirname(f"{folder}/{name}"), exist_ok=True)
    with open(f"{folder}/{name}", "w") as file:
        file.write(text)


def own():
    os.chmod(folder, 0o711)
    if account:
        for root, _, files in os.walk(folder):
            for path in [root] + [os.path.join(root, name) for name in files]:
                os.chown(path, account.pw_uid, account.pw_gid)


def take(certificate, key):
    shutil.copy(certificate, f"{folder}/certificate")
    shutil.copy(key, f"{folder}/key")
    own()


def prosody():
    # Where the account can read them, and where the next start finds others.
    tls = f'ssl = {{ certificate = "{folder}/certificate"; key = "{folder}/key" }}' if certificate else ""
    if certificate:
        take(*certificate)
    write("prosody.cfg.lua", f"""
daemonize = false; pidfile = "{folder}/prosody.pid"; data_path = "{folder}/data"; log = {{ warn = "*console" }}
interfaces = {{ "127.0.0.1" }}; c2s_ports = {{ {c2s} }}; s2s_ports = {{}}; component_ports = {{ {component} }}
component_interfaces = {{ "127.0.0.1" }}; modules_disabled = {{ "s2s" }}
modules_enabled = {{ "roster", "saslauth", "disco", "ping", "tls", "smacks", "offline" }}
authentication = "internal_plain"; c2s_require_encryption = false
allow_unencrypted_plain_auth = false
{tls}
VirtualHost "example.test"
Component "queue.example.test"
  component_secret = "s3cret"
Component "count.example.test"
  component_secret = "s3cret"
""")
    for name in names:
        write(f"data/example%2etest/accounts/{name}.dat", 'return { ["password"] = "pw"; };\n')
    own()
    return lambda: start(["prosody", "--config", f"{folder}/prosody.cfg.lua", "-F"])


def ejabberd():
    write("ejabberd.yml", f"""
loglevel: warning
hosts: [example.test]
listen:
  - {{port: {c2s}, ip: "127.0.0.1", module: ejabberd_c2s, starttls: false, max_stanza_size: 262144}}
  - {{port: {component}, ip: "127.0.0.1", module: ejabberd_service, 
     hosts: {{queue.example.test: {{password: s3cret}}, count.example.test: {{password: s3cret}}}}}}
auth_method: internal
auth_password_format: scram
shaper_rules: {{max_user_offline_messages: 1000000}}
modules: {{mod_roster: {{}}, mod_ping: {{}}, mod_disco: {{}}, mod_offline: {{}}, mod_stream_mgmt: {{}}}}
""")
    os.makedirs(f"{folder}/spool", exist_ok=True)
    os.makedirs(f"{folder}/ejabberd-log", exist_ok=True)
    own()
    shared = {"ERL_EPMD_PORT": epmd_port, "ERL_EPMD_ADDRESS": "127.0.0.1"}
    start(["epmd", "-port", epmd_port], **shared)
    wait(lambda: answers(epmd_port))
    node = f"ej{c2s}@localhost"

    def run():
        # Debian's ejabberdctl wants to be root or user ejabberd.
        return start(
            ["erl", "-noinput", "-sname", node, "-setcookie", "test", "-kernel", "inet_dist_use_interface",
             "{127,0,0,1}", "-mnesia", "dir", f'"{folder}/spool"', "-s", "ejabberd"],
            EJABBERD_CONFIG_PATH=f"{folder}/ejabberd.yml", EJABBERD_LOG_PATH=f"{folder}/ejabberd-log/ejabberd.log",
            SPOOL_DIR=f"{folder}/spool", ERL_LIBS="/usr/lib/x86_64-linux-gnu:/usr/share/ejabberd", **shared,
        )

    def register():
        list_ = ",".join(f'<<"{name}">>' for name in names)
        call = f"[{{ok,_}}=rpc:call('{node}',ejabberd_admin,register,[U,<<\"example.test\">>,<<\"pw\">>])||U<-[{list_}]],halt()."
        end = time.monotonic() + 60
        while start(["erl", "-noinput", "-sname", f"tool{c2s}@localhost", "-setcookie", "test", "-eval", call], **shared).wait():
            if time.monotonic() > end:
                sys.exit("no users in ejabberd: " + open(f"{folder}/log").read()[-2000:])
            time.sleep(0.5)

    return run, register


def ready():
    wait(lambda: answers(c2s) and answers(component))


os.makedirs(folder, exist_ok=True)
register = lambda: None
if kind == "prosody":
    run = prosody()
else:
    run, register = ejabberd()
server = run()
ready()
register()
print("ready", flush=True)
for command in sys.stdin:
    command = command.strip()
    if command in ("kill", "stop"):
        os.killpg(server.pid, signal.SIGKILL if command == "kill" else signal.SIGTERM)
        server.wait()
        print("gone", flush=True)
    elif command in ("freeze", "thaw"):
        os.killpg(server.pid, signal.SIGSTOP if command == "freeze" else signal.SIGCONT)
        print(command, flush=True)
    elif command.startswith("certificate "):
        take(*command.split()[1:])
    elif command == "start":
        server = run()
        ready()
        print("ready", flush=True)
os.killpg(server.pid, signal.SIGKILL)
