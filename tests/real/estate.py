"""The estate of the lab: five sites that share a core router, each a switch with two servers and what runs on them.

One fault per site keeps the scenes apart: a fault never reopens the incident of an earlier one.
"""
SITES = ("a07", "b02", "c03", "d04", "e05")
CORE = "rt-lab-01"


def switch(site):
    """The access switch of a site."""
    return f"sw-lab-{site}"


def servers(site):
    """Servers on the switch."""
    return [f"srv-{site}-01", f"srv-{site}-02"]


def applications(site):
    """Application of each server, in the same order."""
    return [f"app-{site}-01", f"app-{site}-02"]


APPLICATIONS = {name for site in SITES for name in applications(site)}


def hangs_on(site):
    """All that needs the switch and is watched."""
    return servers(site) + applications(site)


def cmdb():
    """The CMDB in the file kind's own format."""
    cis, relations = [], []

    def ci(name, kind, **attributes):
        cis.append({"id": f"CI{len(cis) + 1:06}", "name": name, "class": kind, "aliases": [f"{name}.lab.invalid"],
                    "monitored": kind != "business_service", "attributes": attributes})
        return cis[-1]["id"]

    def needs(one, how, other):
        relations.append({"from": one, "type": how, "to": other})

    core = ci(CORE, "router")
    for site in SITES:
        access = ci(switch(site), "access_switch", site=site)
        needs(access, "connects-to", core)
        for server, application in zip(servers(site), applications(site)):
            host, runs = ci(server, "server", site=site), ci(application, "application")
            service = ci(f"Service {application[4:]}", "business_service", criticality="gold")
            needs(host, "connects-to", access)
            needs(runs, "runs-on", host)
            needs(service, "depends-on", runs)
    return {"cis": cis, "relations": relations}


def scraped():
    """Targets of Prometheus: (job, name on the exporter, labels)."""
    targets = []
    for site in SITES:
        for server, application in zip(servers(site), applications(site)):
            targets.append(("server", server, {"instance": f"{server}:9100"}))
            targets.append(("application", application, {"instance": f"{server}:8080", "app": application}))
    return targets


def checks():
    """Hosts and services of Nagios."""
    return 1 + len(SITES) * 5


# Times are seconds because interval_length is 1. One failing check is enough (max_check_attempts 1).
NAGIOS_CONFIG = """
cfg_file={folder}/objects.cfg
resource_file={folder}/resource.cfg
log_file={folder}/nagios.log
log_archive_path={folder}/archives
object_cache_file={folder}/objects.cache
precached_object_file={folder}/objects.precache
status_file={folder}/status.dat
status_update_interval=1
state_retention_file={folder}/retention.dat
retain_state_information=0
lock_file={folder}/nagios.pid
temp_file={folder}/nagios.tmp
temp_path={folder}
check_result_path={folder}/spool
query_socket={folder}/nagios.qh
command_file={folder}/nagios.cmd
check_external_commands=0
interval_length=1
check_result_reaper_frequency=1
max_host_check_spread=1
max_service_check_spread=1
cached_host_check_horizon=0
cached_service_check_horizon=0
enable_notifications=1
execute_host_checks=1
execute_service_checks=1
notification_timeout=30
enable_environment_macros=0
enable_flap_detection=0
event_broker_options=0
check_for_updates=0
use_syslog=0
log_notifications=1
illegal_object_name_chars=`~!$%^&*|'"<>?,()=
illegal_macro_output_chars=`~$&|'"<>
"""

NAGIOS_OBJECTS = """
define timeperiod {
  timeperiod_name always
  alias always
  monday 00:00-24:00
  tuesday 00:00-24:00
  wednesday 00:00-24:00
  thursday 00:00-24:00
  friday 00:00-24:00
  saturday 00:00-24:00
  sunday 00:00-24:00
}
define command {
  command_name state
  command_line $USER1$/check $ARG1$
}
define contact {
  contact_name correlated
  host_notification_period always
  service_notification_period always
  host_notification_options d,u,r
  service_notification_options w,u,c,r
  host_notification_commands correlated-host
  service_notification_commands correlated-service
}
define host {
  name lab-host
  register 0
  check_interval 1
  retry_interval 1
  max_check_attempts 1
  check_period always
  notification_period always
  notification_interval 20
  notification_options d,u,r
  contacts correlated
}
define service {
  name lab-service
  register 0
  check_interval 1
  retry_interval 1
  max_check_attempts 1
  check_period always
  notification_period always
  notification_interval 20
  notification_options w,u,c,r
  contacts correlated
}
"""

HOST_MACROS = ("NOTIFICATIONTYPE", "HOSTNAME", "HOSTADDRESS", "HOSTSTATE", "HOSTSTATETYPE", "HOSTOUTPUT",
               "LASTHOSTSTATECHANGE", "HOSTNOTIFICATIONID", "TIMET")
SERVICE_MACROS = ("NOTIFICATIONTYPE", "HOSTNAME", "HOSTADDRESS", "HOSTSTATE", "SERVICEDESC", "SERVICESTATE",
                  "SERVICESTATETYPE", "SERVICEOUTPUT", "LASTSERVICESTATECHANGE", "SERVICENOTIFICATIONID", "TIMET")

# The first line of the state file is the exit code, the rest what the plugin says.
CHECK = """#!/bin/sh
state="$(dirname "$0")/state/$1"
[ -r "$state" ] || { echo "OK - $1 answers"; exit 0; }
tail -n +2 "$state"
exit "$(head -n 1 "$state")"
"""


def nagios(folder, intake):
    """Files of the Nagios folder by name."""
    return {
        "nagios.cfg": NAGIOS_CONFIG.format(folder=folder),
        "resource.cfg": f"$USER1$={folder}\n",
        "objects.cfg": NAGIOS_OBJECTS + _push("host", HOST_MACROS, intake) + _push("service", SERVICE_MACROS, intake)
        + _hosts(),
        "check": CHECK,
    }


def _push(what, macros, intake):
    fields = " ".join(f'--data-urlencode "{name}=${name}$"' for name in macros)
    return (f"define command {{\n  command_name correlated-{what}\n  command_line curl -s -S -m 8 {fields} "
            f"http://127.0.0.1:{intake}/v1/events/nagios\n}}\n")


def _hosts():
    def host(name, address, parent):
        parents = f"  parents {parent}\n" if parent else ""
        return (f"define host {{\n  use lab-host\n  host_name {name}\n  address 192.0.2.{address}\n"
                f"  check_command state!{name}\n{parents}}}\n")

    text = host(CORE, 1, None)
    for n, site in enumerate(SITES):
        text += host(switch(site), 10 * n + 10, CORE)
        for m, server in enumerate(servers(site)):
            text += host(server, 10 * n + 11 + m, switch(site))
            text += (f"define service {{\n  use lab-service\n  host_name {server}\n  service_description HTTP\n"
                     f"  check_command state!{server}-http\n}}\n")
    return text
