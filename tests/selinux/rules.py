"""What the policy must allow, and what it must not. Types of Keyquorum are written without their prefix "keyquorum_"; a name with a colon
behind is not ours, though it looks like one."""

GATE, NODE, LOAD = "gate_t", "node_t", "load_t"
ROLES = (GATE, NODE, LOAD)

# Domains that may do everything, by the policy's own decision: root in a shell, systemd, services without a domain, the kernel, and what
# installs packages. SELinux is no boundary against them. An update of the distribution that adds one is to be looked at.
EVERYTHING = set("""
    apt_t dpkg_script_t dpkg_t httpd_unconfined_script_t inetd_child_t init_t initrc_t kernel_t ldconfig_t livecd_t mono_t
    nagios_unconfined_plugin_t prelink_t puppet_t samba_unconfined_script_t unconfined_execmem_t unconfined_java_t unconfined_mount_t
    unconfined_munin_plugin_t unconfined_qemu_t unconfined_sendmail_t unconfined_t wine_t xdm_t xserver_t
""".split())
ADMINISTRATOR = {"sysadm_t"}
# File servers that serve everything but secrets, where a boolean of theirs says so.
SERVE_EVERYTHING = set("ftpd_t nfsd_t nmbd_t sftpd_t smbd_t".split())
# Programs that read every file on the disk because that is their purpose: backups and integrity checks.
WHOLE_DISK_READERS = set("aide_t amanda_t backup_t bacula_t quota_t samhain_t samhaind_t siggen_t tripwire_t".split())
WHOLE_DISK_WRITERS = set("backup_t bacula_t".split())

NETWORK = """tcp_socket udp_socket rawip_socket sctp_socket dccp_socket icmp_socket packet_socket vsock_socket netlink_socket
             netlink_route_socket netlink_netfilter_socket netlink_generic_socket netlink_audit_socket netlink_kobject_uevent_socket
             netlink_crypto_socket tun_socket alg_socket bluetooth_socket""".split()
KEY = "create link read search setattr view write"
CHANGE_FILE = "append create link rename setattr unlink write"
CHANGE_DIRECTORY = "add_name create remove_name rename rmdir setattr write"
READ_STATE = "getattr open read"

# (target, class, permissions): what a signer needs
CLIENT = [
    ("conf_t", "dir", "search"),
    ("conf_t", "file", "open read"),
    ("client_key_t", "file", "open read"),
    ("port_t", "tcp_socket", "name_connect"),
]

# (source, target, class, permissions): each of them, without a boolean
MUST = [
    # systemd starts each role in its domain, in spite of NoNewPrivileges=
    *[("init_t", role, "process", "transition") for role in ROLES],
    *[("init_t", role, "process2", "nnp_transition nosuid_transition") for role in ROLES],
    *[(role, role.replace("_t", "_exec_t"), "file", "entrypoint execute map read") for role in ROLES],
    *[("init_t", role, "unix_stream_socket", "create bind listen setopt") for role in (NODE, LOAD)],
    ("init_t", GATE, "tcp_socket", "create bind listen setopt"),
    ("init_t", "cred_t", "file", "open read"),
    *[("init_t", socket, "sock_file", "create setattr unlink") for socket in ("gate_runtime_t", "load_runtime_t", "local_runtime_t")],
    *[("systemd_tmpfiles_t", type_, "dir", "create getattr relabelfrom relabelto setattr")
      for type_ in ("conf_t", "node_conf_t", "runtime_t", "var_lib_t")],
    # what all do: threads, configuration, journal, sd_notify, watchdog, OpenSSL's configuration
    *[(role, role, "process", "fork getsched setrlimit signal") for role in ROLES],
    *[(role, "node_conf_t", "file", "getattr open read") for role in ROLES],
    *[(role, "devlog_t", "sock_file", "write") for role in ROLES],
    *[(role, "syslogd_t", "unix_dgram_socket", "sendto") for role in ROLES],
    *[(role, "init_runtime_t", "sock_file", "write") for role in ROLES],
    *[(role, "init_t", "unix_dgram_socket", "sendto") for role in ROLES],
    *[(role, "init_t", "unix_stream_socket", "getattr read write") for role in ROLES],
    *[(role, "cert_t", "file", "open read") for role in ROLES],
    # the gate
    (GATE, GATE, "tcp_socket", "accept getattr getopt read setopt shutdown write"),
    (GATE, "port_t", "tcp_socket", "name_bind"),
    (GATE, "node_t:", "tcp_socket", "node_bind"),
    (GATE, GATE, "unix_stream_socket", "connect create read write shutdown"),
    (GATE, "runtime_t", "dir", "search"),
    (GATE, "gate_runtime_t", "sock_file", "write"),
    (GATE, NODE, "unix_stream_socket", "connectto"),
    (GATE, "pins_runtime_t", "dir", "search"),
    (GATE, "pins_runtime_t", "file", "getattr open read"),
    # credentials are in a file system of their own: ramfs, or tmpfs where systemd has labelled them
    *[(role, type_, "file", "getattr open read") for role in (GATE, LOAD) for type_ in ("ramfs_t", "init_tmpfs_t")],
    *[(role, type_, "dir", "search") for role in (GATE, LOAD) for type_ in ("ramfs_t", "tmpfs_t")],
    # the node
    (NODE, NODE, "unix_stream_socket", "accept connect create getopt read write"),
    (NODE, "var_lib_t", "dir", "add_name create lock open read remove_name search write"),
    (NODE, "var_lib_t", "file", "create getattr lock open read rename setattr unlink write"),
    (NODE, "pins_runtime_t", "dir", "add_name open read remove_name search write"),
    (NODE, "pins_runtime_t", "file", "create rename setattr unlink write"),
    (NODE, "load_runtime_t", "sock_file", "write"),
    (NODE, LOAD, "unix_stream_socket", "connectto"),
    (NODE, NODE, "key", "read search setattr view write"),
    (NODE, LOAD, "key", "search view"),
    (NODE, "init_t", "key", "search"),
    (NODE, "system_dbusd_runtime_t", "sock_file", "write"),
    (NODE, "system_dbusd_t", "unix_stream_socket", "connectto"),
    (NODE, "system_dbusd_t", "dbus", "acquire_svc send_msg"),
    ("system_dbusd_t", NODE, "dbus", "send_msg"),
    *[(NODE, caller, "dbus", "send_msg") for caller in ("initrc_t", "sysadm_t", "unconfined_t")],
    *[(caller, NODE, "dbus", "send_msg") for caller in ("initrc_t", "sysadm_t", "unconfined_t")],
    # the loader
    (LOAD, LOAD, "unix_stream_socket", "accept getopt read write"),
    (LOAD, "var_lib_t", "dir", "search"),
    (LOAD, "var_lib_t", "file", "getattr open read"),
    (LOAD, LOAD, "key", "link search setattr view write"),
    (LOAD, NODE, "key", "search view write"),
    (LOAD, "init_t", "key", "search"),
    (LOAD, "proc_t", "file", "open read"),
    # operators
    *[(operator, "local_runtime_t", "sock_file", "write") for operator in ("sysadm_t", "unconfined_t")],
    *[(operator, NODE, "unix_stream_socket", "connectto") for operator in ("sysadm_t", "unconfined_t")],
    *[("sysadm_t", type_, "file", "create read rename unlink write")
      for type_ in ("client_key_t", "conf_t", "cred_t", "node_conf_t", "var_lib_t")],
    ("sysadm_t", "unit_t", "service", "reload start status stop"),
    *[("sysadm_t", role, "process", "signal") for role in ROLES],
    # signers
    *[("named_t", type_, class_, permissions) for type_, class_, permissions in CLIENT],
]

# Domains of signers that the distribution's policy may lack: what they must be allowed where it has them.
ELSEWHERE = ["knotd_t", "opendnssec_t"]
MUST_ELSEWHERE = [(domain, type_, class_, permissions) for domain in ELSEWHERE for type_, class_, permissions in CLIENT]

# (source, class of its object, object): the type that a new one gets
TRANSITIONS = [
    *[("init_t", role.replace("_t", "_exec_t"), "process", role) for role in ROLES],
]


def row(name, sources, targets, classes, permissions, breach, but=()):
    """Nobody of `sources` may do any of `permissions` to `targets` ("*": everybody, everything), save `but` (sources where they are
    everybody, else targets). `breach`: a source and a target for which the row must fail once the policy allows it."""
    return {"name": name, "sources": sources, "targets": targets, "classes": classes, "permissions": permissions, "breach": breach,
            "but": set(but)}


NEVER = [
    # keys in the kernel
    row("only the loader makes, writes, links or permits shares", "*", [LOAD], ["key"], "create link read setattr write",
        ("named_t", LOAD), but=EVERYTHING | {LOAD}),
    row("only loader and node find shares", "*", [LOAD], ["key"], "search view", ("named_t", LOAD), but=EVERYTHING | {LOAD, NODE}),
    row("the node can only use shares", [NODE], [LOAD], ["key"], "create link read setattr write", (NODE, LOAD)),
    row("nobody reads a share back, not even the loader", [LOAD], [LOAD], ["key"], "create read", (LOAD, LOAD)),
    row("only loader and node see the node's ring", "*", [NODE], ["key"], KEY, ("named_t", NODE), but=EVERYTHING | {LOAD, NODE}),
    row("the loader only fills the node's ring", [LOAD], [NODE], ["key"], "create link read setattr", (LOAD, NODE)),
    row("the gate has nothing to do with keys", [GATE], "*", ["key"], KEY, (GATE, NODE)),
    row("node and loader touch nobody else's keys", [NODE, LOAD], "*", ["key"], "create link read setattr view write",
        (NODE, "init_t"), but={NODE, LOAD}),
    # the network
    row("node and loader have no network", [NODE, LOAD], "*", NETWORK,
        "accept bind connect create listen name_bind name_connect node_bind read write", (NODE, NODE)),
    row("node and loader have no port", [NODE, LOAD], "*", ["tcp_socket", "udp_socket"], "name_bind name_connect", (LOAD, "port_t")),
    row("the gate makes no connection and no socket", [GATE], "*", NETWORK, "bind connect create listen name_connect", (GATE, GATE)),
    row("the gate has the one port only", [GATE], "*", NETWORK, "name_bind", (GATE, "http_port_t"), but={"port_t"}),
    # execution and other processes
    row("nothing is executed", ROLES, "*", ["file"], "execute_no_trans", (NODE, "bin_t")),
    row("nothing but itself and libraries is code", ROLES, "*", ["file"], "execute", (GATE, "shell_exec_t"),
        but={"gate_exec_t", "node_exec_t", "load_exec_t", "ld_so_t", "lib_t", "textrel_shlib_t"}),
    row("nothing that was written becomes code", ROLES, "*", ["file"], "execmod", (NODE, "var_lib_t"), but={"textrel_shlib_t"}),
    row("memory is data or code", ROLES, "*", ["process"], "execheap execmem execstack", (LOAD, LOAD)),
    row("no domain is left, no label chosen", ROLES, "*", ["process"],
        "dyntransition setcurrent setexec setfscreate setkeycreate setsockcreate transition", (NODE, LOAD)),
    row("no other process is looked into or stopped", ROLES, "*", ["process"], "ptrace sigkill sigstop", (NODE, LOAD)),
    row("nobody looks into them", "*", ROLES, ["process"], "ptrace", ("named_t", LOAD), but=EVERYTHING | ADMINISTRATOR),
    row("only systemd starts them", "*", ROLES, ["process"], "dyntransition transition", ("named_t", NODE), but=EVERYTHING),
    row("no other program runs as one of them", ROLES, "*", ["file"], "entrypoint", (LOAD, "bin_t"),
        but={"gate_exec_t", "node_exec_t", "load_exec_t"}),
    row("no capability", ROLES, "*", ["capability", "capability2", "cap_userns", "cap2_userns"],
        "chown dac_override dac_read_search fowner ipc_lock kill mac_admin net_admin net_bind_service setuid sys_admin sys_module "
        "sys_ptrace",
        (NODE, NODE)),
    row("no module is loaded", ROLES, "*", ["system"], "module_load module_request", (LOAD, "kernel_t")),
    # credentials and secrets
    row("the node has no credential", [NODE], ["ramfs_t"], ["dir", "file"], "open read search write", (NODE, "ramfs_t")),
    row("nor where tmpfs holds them", [NODE], ["init_tmpfs_t"], ["file"], "create open", (NODE, "init_tmpfs_t")),
    row("no role reads credentials on the disk", ROLES, ["cred_t"], ["file"], READ_STATE + " map write", (LOAD, "cred_t")),
    row("credentials on the disk are systemd's and the administrator's", "*", ["cred_t"], ["file"], "open read", ("named_t", "cred_t"),
        but=EVERYTHING | ADMINISTRATOR | WHOLE_DISK_READERS),
    row("no role reads a client's key", ROLES, ["client_key_t"], ["file"], READ_STATE, (GATE, "client_key_t")),
    row("a client's key is for signers", "*", ["client_key_t"], ["file"], "open read", ("user_t", "client_key_t"),
        but=EVERYTHING | ADMINISTRATOR | WHOLE_DISK_READERS | {"named_t"}),
    row("no role reads passwords or homes", ROLES, ["shadow_t", "user_home_t"], ["file"], READ_STATE, (NODE, "shadow_t")),
    row("only the loader sees how many keys each user has", [GATE, NODE], ["proc_t"], ["file"], "open read", (NODE, "proc_t")),
    # state and configuration
    row("the gate knows no state", [GATE], ["var_lib_t"], ["dir", "file"], "getattr open read search write", (GATE, "var_lib_t")),
    row("the loader only reads state", [LOAD], ["var_lib_t"], ["file"], CHANGE_FILE, (LOAD, "var_lib_t")),
    row("nor does it move files", [LOAD], ["var_lib_t"], ["dir"], CHANGE_DIRECTORY, (LOAD, "var_lib_t")),
    row("state is read by node and loader", "*", ["var_lib_t"], ["file"], "open read", ("named_t", "var_lib_t"),
        but=EVERYTHING | ADMINISTRATOR | WHOLE_DISK_READERS | {NODE, LOAD}),
    row("state is written by the node", "*", ["var_lib_t"], ["file"], "append create rename unlink write", ("named_t", "var_lib_t"),
        but=EVERYTHING | ADMINISTRATOR | WHOLE_DISK_WRITERS | {NODE}),
    row("the node writes its state and the pins, nothing else on any disk", [NODE], "*", ["file"], "create link rename setattr unlink",
        (NODE, "etc_t"), but={"var_lib_t", "pins_runtime_t"}),
    row("gate and loader change no file anywhere", [GATE, LOAD], "*", ["file"], "create link rename setattr unlink", (LOAD, "etc_t")),
    row("no role changes configuration", ROLES, ["conf_t", "node_conf_t", "unit_t"], ["dir", "file"], "add_name append create write",
        (NODE, "node_conf_t")),
    # the ways between the roles
    row("only the gate comes in as the gate", "*", ["gate_runtime_t"], ["sock_file"], "write", (LOAD, "gate_runtime_t"),
        but=EVERYTHING | ADMINISTRATOR | SERVE_EVERYTHING | {GATE}),
    row("only the node comes in to the loader", "*", ["load_runtime_t"], ["sock_file"], "write", (GATE, "load_runtime_t"),
        but=EVERYTHING | ADMINISTRATOR | SERVE_EVERYTHING | {NODE}),
    row("no role comes in as an operator", ROLES, ["local_runtime_t"], ["sock_file"], "write", (GATE, "local_runtime_t")),
    row("only gate and operators connect to the node", "*", [NODE], ["unix_stream_socket"], "connectto", ("named_t", NODE),
        but=EVERYTHING | ADMINISTRATOR | {GATE}),
    row("only the node connects to the loader", "*", [LOAD], ["unix_stream_socket"], "connectto", ("named_t", LOAD),
        but=EVERYTHING | {NODE}),
    row("nobody connects to the gate but by the network", "*", [GATE], ["unix_stream_socket"], "connectto", ("named_t", GATE),
        but=EVERYTHING),
    row("gate and loader connect to nobody but the node and the journal", [GATE, LOAD], "*", ["unix_stream_socket"], "connectto",
        (LOAD, "system_dbusd_t"), but={NODE, "setrans_t", "syslogd_t"}),
    row("nor does the loader connect to the node", [LOAD], [NODE], ["unix_stream_socket"], "connectto", (LOAD, NODE)),
    row("gate and loader are not on the bus", [GATE, LOAD], "*", ["dbus"], "acquire_svc send_msg", (GATE, "system_dbusd_t")),
    row("the pins are the node's to write", "*", ["pins_runtime_t"], ["file"], "append create rename write", (GATE, "pins_runtime_t"),
        but=EVERYTHING | ADMINISTRATOR | SERVE_EVERYTHING | {NODE, "systemd_tmpfiles_t"}),
    # others
    row("an ordinary user has no way to a node of this host", ["user_t", "staff_t", "named_t"], [NODE, LOAD],
        ["unix_stream_socket", "dbus"], "connectto send_msg", ("user_t", NODE)),
    row("a signer has nothing of a node", ["named_t"], ["cred_t", "node_conf_t", "var_lib_t"], ["file"], READ_STATE,
        ("named_t", "node_conf_t")),
]
