//! An ACME CA for tests.

mod faults;
mod limits;
mod model;
mod names;
mod options;
mod refusal;
mod report;
mod slab;

pub use self::faults::{Fault, Faults};
pub use self::limits::{CaLimits, Limit, Rate, RequestClass};
pub use self::model::{
    AccountId, AuthorizationId, AuthorizationState, CaModel, CertificateId, OrderId, OrderState,
    OrderTerms, RenewalInfo, SetId,
};
pub use self::names::last_two_labels;
pub use self::options::{CaOptions, RegisteredDomain};
pub use self::refusal::Refusal;
pub use self::report::{CaReport, SetReport};
