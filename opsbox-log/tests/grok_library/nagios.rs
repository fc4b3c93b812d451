//! What the lines of Nagios fit, and their parts.

use super::Examples;

/// Their names, what they fit as a whole line, and what they do not.
pub(crate) const NAGIOS: &[Examples] = &[
    ("NAGIOSTIME", &["[1388606400]"], &["1388606400"]),
    (
        "NAGIOS_TYPE_CURRENT_SERVICE_STATE",
        &["CURRENT SERVICE STATE"],
        &["CURRENT_SERVICE_STATE"],
    ),
    (
        "NAGIOS_TYPE_CURRENT_HOST_STATE",
        &["CURRENT HOST STATE"],
        &["CURRENT_HOST_STATE"],
    ),
    (
        "NAGIOS_TYPE_SERVICE_NOTIFICATION",
        &["SERVICE NOTIFICATION"],
        &["SERVICE_NOTIFICATION"],
    ),
    (
        "NAGIOS_TYPE_HOST_NOTIFICATION",
        &["HOST NOTIFICATION"],
        &["HOST_NOTIFICATION"],
    ),
    (
        "NAGIOS_TYPE_SERVICE_ALERT",
        &["SERVICE ALERT"],
        &["SERVICE_ALERT"],
    ),
    ("NAGIOS_TYPE_HOST_ALERT", &["HOST ALERT"], &["HOST_ALERT"]),
    (
        "NAGIOS_TYPE_SERVICE_FLAPPING_ALERT",
        &["SERVICE FLAPPING ALERT"],
        &["SERVICE_FLAPPING_ALERT"],
    ),
    (
        "NAGIOS_TYPE_HOST_FLAPPING_ALERT",
        &["HOST FLAPPING ALERT"],
        &["HOST_FLAPPING_ALERT"],
    ),
    (
        "NAGIOS_TYPE_SERVICE_DOWNTIME_ALERT",
        &["SERVICE DOWNTIME ALERT"],
        &["SERVICE_DOWNTIME_ALERT"],
    ),
    (
        "NAGIOS_TYPE_HOST_DOWNTIME_ALERT",
        &["HOST DOWNTIME ALERT"],
        &["HOST_DOWNTIME_ALERT"],
    ),
    (
        "NAGIOS_TYPE_PASSIVE_SERVICE_CHECK",
        &["PASSIVE SERVICE CHECK"],
        &["PASSIVE_SERVICE_CHECK"],
    ),
    (
        "NAGIOS_TYPE_PASSIVE_HOST_CHECK",
        &["PASSIVE HOST CHECK"],
        &["PASSIVE_HOST_CHECK"],
    ),
    (
        "NAGIOS_TYPE_SERVICE_EVENT_HANDLER",
        &["SERVICE EVENT HANDLER"],
        &["SERVICE_EVENT_HANDLER"],
    ),
    (
        "NAGIOS_TYPE_HOST_EVENT_HANDLER",
        &["HOST EVENT HANDLER"],
        &["HOST_EVENT_HANDLER"],
    ),
    (
        "NAGIOS_TYPE_EXTERNAL_COMMAND",
        &["EXTERNAL COMMAND"],
        &["EXTERNAL_COMMAND"],
    ),
    (
        "NAGIOS_TYPE_TIMEPERIOD_TRANSITION",
        &["TIMEPERIOD TRANSITION"],
        &["TIMEPERIOD_TRANSITION"],
    ),
    (
        "NAGIOS_EC_DISABLE_SVC_CHECK",
        &["DISABLE_SVC_CHECK"],
        &["disable_svc_check"],
    ),
    (
        "NAGIOS_EC_DISABLE_HOST_CHECK",
        &["DISABLE_HOST_CHECK"],
        &["disable_host_check"],
    ),
    (
        "NAGIOS_EC_ENABLE_SVC_CHECK",
        &["ENABLE_SVC_CHECK"],
        &["enable_svc_check"],
    ),
    (
        "NAGIOS_EC_ENABLE_HOST_CHECK",
        &["ENABLE_HOST_CHECK"],
        &["enable_host_check"],
    ),
    (
        "NAGIOS_EC_PROCESS_SERVICE_CHECK_RESULT",
        &["PROCESS_SERVICE_CHECK_RESULT"],
        &["process_service_check_result"],
    ),
    (
        "NAGIOS_EC_PROCESS_HOST_CHECK_RESULT",
        &["PROCESS_HOST_CHECK_RESULT"],
        &["process_host_check_result"],
    ),
    (
        "NAGIOS_EC_SCHEDULE_SERVICE_DOWNTIME",
        &["SCHEDULE_SERVICE_DOWNTIME"],
        &["schedule_service_downtime"],
    ),
    (
        "NAGIOS_EC_SCHEDULE_HOST_DOWNTIME",
        &["SCHEDULE_HOST_DOWNTIME"],
        &["schedule_host_downtime"],
    ),
    ("NAGIOS_WARNING", &["Warning: no host"], &["warning: x"]),
    (
        "NAGIOS_CURRENT_SERVICE_STATE",
        &["CURRENT SERVICE STATE: hostname;service;state;statetyp;statecod;message"],
        &["CURRENT SERVICE STATE: x"],
    ),
    (
        "NAGIOS_CURRENT_HOST_STATE",
        &["CURRENT HOST STATE: hostname;state;statetyp;statecod;message"],
        &["CURRENT HOST STATE: x"],
    ),
    (
        "NAGIOS_SERVICE_NOTIFICATION",
        &["SERVICE NOTIFICATION: notifyna;hostname;service;state;contact;message"],
        &["SERVICE NOTIFICATION: x"],
    ),
    (
        "NAGIOS_HOST_NOTIFICATION",
        &["HOST NOTIFICATION: notifyna;hostname;state;contact;message"],
        &["HOST NOTIFICATION: x"],
    ),
    (
        "NAGIOS_SERVICE_ALERT",
        &["SERVICE ALERT: hostname;service;state;statelev;3;message"],
        &["SERVICE ALERT: x"],
    ),
    (
        "NAGIOS_HOST_ALERT",
        &["HOST ALERT: hostname;state;statelev;3;message"],
        &["HOST ALERT: x"],
    ),
    (
        "NAGIOS_SERVICE_FLAPPING_ALERT",
        &["SERVICE FLAPPING ALERT: hostname;service;state;message"],
        &["SERVICE FLAPPING ALERT: x"],
    ),
    (
        "NAGIOS_HOST_FLAPPING_ALERT",
        &["HOST FLAPPING ALERT: hostname;state;message"],
        &["HOST FLAPPING ALERT: x"],
    ),
    (
        "NAGIOS_SERVICE_DOWNTIME_ALERT",
        &["SERVICE DOWNTIME ALERT: hostname;service;state;comment"],
        &["SERVICE DOWNTIME ALERT: x"],
    ),
    (
        "NAGIOS_HOST_DOWNTIME_ALERT",
        &["HOST DOWNTIME ALERT: hostname;state;comment"],
        &["HOST DOWNTIME ALERT: x"],
    ),
    (
        "NAGIOS_PASSIVE_SERVICE_CHECK",
        &["PASSIVE SERVICE CHECK: hostname;service;state;comment"],
        &["PASSIVE SERVICE CHECK: x"],
    ),
    (
        "NAGIOS_PASSIVE_HOST_CHECK",
        &["PASSIVE HOST CHECK: hostname;state;comment"],
        &["PASSIVE HOST CHECK: x"],
    ),
    (
        "NAGIOS_SERVICE_EVENT_HANDLER",
        &["SERVICE EVENT HANDLER: hostname;service;state;statelev;event_ha"],
        &["SERVICE EVENT HANDLER: x"],
    ),
    (
        "NAGIOS_HOST_EVENT_HANDLER",
        &["HOST EVENT HANDLER: hostname;state;statelev;event_ha"],
        &["HOST EVENT HANDLER: x"],
    ),
    (
        "NAGIOS_TIMEPERIOD_TRANSITION",
        &["TIMEPERIOD TRANSITION: service;unknown1;unknown2"],
        &["TIMEPERIOD TRANSITION: x"],
    ),
    (
        "NAGIOS_EC_LINE_DISABLE_SVC_CHECK",
        &["EXTERNAL COMMAND: DISABLE_SVC_CHECK;hostname;service"],
        &["EXTERNAL COMMAND: DISABLE_SVC_CHECK"],
    ),
    (
        "NAGIOS_EC_LINE_DISABLE_HOST_CHECK",
        &["EXTERNAL COMMAND: DISABLE_HOST_CHECK;hostname"],
        &["EXTERNAL COMMAND: DISABLE_HOST_CHECK"],
    ),
    (
        "NAGIOS_EC_LINE_ENABLE_SVC_CHECK",
        &["EXTERNAL COMMAND: ENABLE_SVC_CHECK;hostname;service"],
        &["EXTERNAL COMMAND: ENABLE_SVC_CHECK"],
    ),
    (
        "NAGIOS_EC_LINE_ENABLE_HOST_CHECK",
        &["EXTERNAL COMMAND: ENABLE_HOST_CHECK;hostname"],
        &["EXTERNAL COMMAND: ENABLE_HOST_CHECK"],
    ),
    (
        "NAGIOS_EC_LINE_PROCESS_SERVICE_CHECK_RESULT",
        &["EXTERNAL COMMAND: PROCESS_SERVICE_CHECK_RESULT;hostname;service;state;check_re"],
        &["EXTERNAL COMMAND: PROCESS_SERVICE_CHECK_RESULT"],
    ),
    (
        "NAGIOS_EC_LINE_PROCESS_HOST_CHECK_RESULT",
        &["EXTERNAL COMMAND: PROCESS_HOST_CHECK_RESULT;hostname;state;check_re"],
        &["EXTERNAL COMMAND: PROCESS_HOST_CHECK_RESULT"],
    ),
    (
        "NAGIOS_EC_LINE_SCHEDULE_HOST_DOWNTIME",
        &[
            "EXTERNAL COMMAND: SCHEDULE_HOST_DOWNTIME;hostname;1388606400;1388610000;1;0;3600;author;comment",
        ],
        &["EXTERNAL COMMAND: SCHEDULE_HOST_DOWNTIME"],
    ),
    (
        "NAGIOSLOGLINE",
        &[
            "[1388606400] Warning: no host",
            "[1388606400] CURRENT SERVICE STATE: hostname;service;state;statetyp;statecod;message",
            "[1388606400] CURRENT HOST STATE: hostname;state;statetyp;statecod;message",
            "[1388606400] SERVICE NOTIFICATION: notifyna;hostname;service;state;contact;message",
            "[1388606400] HOST NOTIFICATION: notifyna;hostname;state;contact;message",
            "[1388606400] SERVICE ALERT: hostname;service;state;statelev;3;message",
            "[1388606400] HOST ALERT: hostname;state;statelev;3;message",
            "[1388606400] SERVICE FLAPPING ALERT: hostname;service;state;message",
            "[1388606400] HOST FLAPPING ALERT: hostname;state;message",
            "[1388606400] SERVICE DOWNTIME ALERT: hostname;service;state;comment",
            "[1388606400] HOST DOWNTIME ALERT: hostname;state;comment",
            "[1388606400] PASSIVE SERVICE CHECK: hostname;service;state;comment",
            "[1388606400] PASSIVE HOST CHECK: hostname;state;comment",
            "[1388606400] SERVICE EVENT HANDLER: hostname;service;state;statelev;event_ha",
            "[1388606400] HOST EVENT HANDLER: hostname;state;statelev;event_ha",
            "[1388606400] TIMEPERIOD TRANSITION: service;unknown1;unknown2",
            "[1388606400] EXTERNAL COMMAND: DISABLE_SVC_CHECK;hostname;service",
            "[1388606400] EXTERNAL COMMAND: DISABLE_HOST_CHECK;hostname",
            "[1388606400] EXTERNAL COMMAND: ENABLE_SVC_CHECK;hostname;service",
            "[1388606400] EXTERNAL COMMAND: ENABLE_HOST_CHECK;hostname",
            "[1388606400] EXTERNAL COMMAND: PROCESS_SERVICE_CHECK_RESULT;hostname;service;state;check_re",
            "[1388606400] EXTERNAL COMMAND: PROCESS_HOST_CHECK_RESULT;hostname;state;check_re",
            "[1388606400] EXTERNAL COMMAND: SCHEDULE_HOST_DOWNTIME;hostname;1388606400;1388610000;1;0;3600;author;comment",
        ],
        &["[1388606400] nothing known"],
    ),
];
