//! The access logs of AWS load balancers, by the user guides of Elastic Load Balancing. Values hold
//! no quotes inside quotes: AWS's own patterns for Athena read them so.

/// The request line, with the parts that the tables of AWS's Athena guide have; a request that the
/// load balancer could not read has none.
macro_rules! request {
    () => {
        concat!(
            r#""(?P<request>(?P<request_verb>[A-Z][A-Z-]*) (?P<request_url>[^"]+?)"#,
            r#" (?P<request_proto>HTTP/\d(?:\.\d)?)|[^"]*)" "(?P<user_agent>[^"]*)" "#,
        )
    };
}

/// "When new fields are introduced, they are added to the end of the log entry": of those after
/// `trace_id`, which is the last of the logs of 2016, any may be the last.
pub(super) const ALB: &str = concat!(
    r"(?P<type>[a-z][a-z0-9]*) (?P<time>\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?Z) (?P<elb>\S+) ",
    r"(?P<client_port>\S+) (?P<target_port>\S+) (?P<request_processing_time>-?[\d.]+) ",
    r"(?P<target_processing_time>-?[\d.]+) (?P<response_processing_time>-?[\d.]+) ",
    r"(?P<elb_status_code>\d{3}|-) (?P<target_status_code>\d{3}|-) (?P<received_bytes>\d+|-) ",
    r"(?P<sent_bytes>\d+|-) ",
    request!(),
    r#"(?P<ssl_cipher>\S+) (?P<ssl_protocol>\S+) (?P<target_group_arn>\S+) "(?P<trace_id>[^"]*)""#,
    r#"(?: "(?P<domain_name>[^"]*)"(?: "(?P<chosen_cert_arn>[^"]*)""#,
    r#"(?: (?P<matched_rule_priority>\S+)(?: (?P<request_creation_time>\S+)"#,
    r#"(?: "(?P<actions_executed>[^"]*)"(?: "(?P<redirect_url>[^"]*)"(?: "(?P<error_reason>[^"]*)""#,
    r#"(?: "(?P<target_port_list>[^"]*)"(?: "(?P<target_status_code_list>[^"]*)""#,
    r#"(?: "(?P<classification>[^"]*)"(?: "(?P<classification_reason>[^"]*)""#,
    r#"(?: (?P<conn_trace_id>\S+)(?: "(?P<transformed_host>[^"]*)"(?: "(?P<transformed_uri>[^"]*)""#,
    r#"(?: "(?P<request_transform_status>[^"]*)""#,
    // "You should ignore any fields at the end of the log entry that you were not expecting."
    r"(?: .*)?",
    r")?)?)?)?)?)?)?)?)?)?)?)?)?)?)?",
);

pub(super) const ELB: &str = concat!(
    r"(?P<time>\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?Z) (?P<elb>\S+) ",
    r"(?P<client_port>\S+) (?P<backend_port>\S+) (?P<request_processing_time>-?[\d.]+) ",
    r"(?P<backend_processing_time>-?[\d.]+) (?P<response_processing_time>-?[\d.]+) ",
    r"(?P<elb_status_code>\d{3}|-) (?P<backend_status_code>\d{3}|-) (?P<received_bytes>\d+) ",
    r"(?P<sent_bytes>\d+) ",
    request!(),
    r"(?P<ssl_cipher>\S+) (?P<ssl_protocol>\S+)",
);
