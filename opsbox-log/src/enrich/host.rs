use std::fs;

use super::Environment;
use crate::limits::MAX_HOST_NAME_BYTES;

/// The name of this machine, for [`Enrich::host`](super::Enrich::host): what the Linux kernel says
/// (`/proc/sys/kernel/hostname`), else the file `/etc/hostname`, else the variables `HOSTNAME` and `COMPUTERNAME`.
/// `None` if none of them has a name of 1 to [`MAX_HOST_NAME_BYTES`] bytes without white space.
///
/// ```
/// use opsbox_log::enrich::{Enrich, system_host_name};
///
/// let name = system_host_name().unwrap_or_else(|| "unknown".into());
/// let enrich = Enrich::new().host(name);
/// ```
pub fn system_host_name() -> Option<String> {
    let files = ["/proc/sys/kernel/hostname", "/etc/hostname"].into_iter();
    let texts = files.filter_map(|path| fs::read_to_string(path).ok());
    let variables = || {
        let environment = Environment::of_process();
        let name = environment.first_of(&["HOSTNAME", "COMPUTERNAME"]);
        name.map(str::to_owned)
    };
    texts
        .chain(std::iter::from_fn(variables).take(1))
        .find_map(|text| {
            let name = text.trim();
            let fits = (1..=MAX_HOST_NAME_BYTES).contains(&name.len())
                && !name.contains(char::is_whitespace);
            fits.then(|| name.to_owned())
        })
}
