-- The whole schema of the embedded store. Times are milliseconds since 1970 in UTC.
create table meta (
    one integer primary key check (one = 1),
    epoch integer not null,
    -- 1 after a clean stop: the last entry was applied without ending the process
    clean integer not null
) strict;
create table log (
    seq integer primary key,
    at integer not null,
    epoch integer not null,
    body blob not null
) strict;
create table chunk (
    kind integer not null,
    id integer not null,
    n integer not null,
    bytes blob not null,
    primary key (kind, id, n)
) strict;
create table sealed (
    kind integer not null,
    id integer not null,
    nth integer not null,
    primary key (kind, id)
) strict;
-- entries that were under way when the process ended, and how often
create table suspect (
    seq integer primary key,
    deaths integer not null,
    under_way integer not null
) strict;
-- history: for reports, never read by the engine
create table alert_episode (
    fingerprint text not null,
    source text not null,
    ci text,
    severity text not null,
    started integer not null,
    ended integer not null,
    outcome text not null,
    incident text
) strict;
create index alert_episode_ended on alert_episode (ended);
create table incident (
    id text primary key,
    state text not null,
    priority text not null,
    root text,
    service text,
    detected integer not null,
    opened integer,
    resolved integer,
    alerts integer not null,
    merged_into text
) strict;
create index incident_detected on incident (detected);
create table ticket (
    target text not null,
    ticket text not null,
    incident text not null,
    key text not null,
    state text not null,
    opened integer not null,
    resolved integer,
    primary key (target, ticket)
) strict;
create index ticket_opened on ticket (opened);
