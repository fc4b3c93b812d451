use std::{fmt, str::FromStr, sync::OnceLock};

/// A set of vector instructions that the tokenizer can run on. The best one that the processor has is
/// taken by itself; tests and benches compare them. All give the same result.
///
/// ```
/// use opsbox_log::{Format, Kernel, Parser};
///
/// let line = "2026-01-02 03:04:05 [INFO] listening on port 8080\n";
/// for kernel in Kernel::ALL.into_iter().filter(|kernel| kernel.is_available()) {
///     let parser = Parser::new(Format::preset("app")?).kernel(kernel);
///     assert_eq!(parser.parse(line).len(), 1);
/// }
/// # Ok::<(), opsbox_log::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kernel {
    /// AVX-512 with BW, VL, VBMI, VBMI2, GFNI and VPCLMULQDQ (x86-64: Intel Ice Lake, AMD Zen 4 and later).
    Avx512,
    /// AVX2 with BMI1, BMI2 and PCLMULQDQ (x86-64: Intel Haswell, AMD Zen and later).
    Avx2,
    /// Plain Rust, for any processor.
    Portable,
}

/// The environment variable that lowers the kernel of a process, for tests and benches: `avx512`,
/// `avx2` or `portable`. A name that is none of these, or a kernel that the processor does not have,
/// changes nothing.
const VARIABLE: &str = "OPSBOX_LOG_KERNEL";

impl Kernel {
    /// All kernels, best first.
    pub const ALL: [Self; 3] = [Self::Avx512, Self::Avx2, Self::Portable];

    /// Whether this processor has the instructions.
    pub fn is_available(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                Self::Avx2.is_available()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512vbmi")
                    && is_x86_feature_detected!("avx512vbmi2")
                    && is_x86_feature_detected!("gfni")
                    && is_x86_feature_detected!("vpclmulqdq")
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => {
                is_x86_feature_detected!("avx2")
                    && is_x86_feature_detected!("bmi1")
                    && is_x86_feature_detected!("bmi2")
                    && is_x86_feature_detected!("lzcnt")
                    && is_x86_feature_detected!("popcnt")
                    && is_x86_feature_detected!("pclmulqdq")
            }
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx512 | Self::Avx2 => false,
            Self::Portable => true,
        }
    }

    /// The kernel that parsers run on unless [told otherwise](crate::Parser::kernel): the best
    /// available one, or the one that the environment variable `OPSBOX_LOG_KERNEL` names.
    pub fn best() -> Self {
        static BEST: OnceLock<Kernel> = OnceLock::new();
        *BEST.get_or_init(|| {
            let named = std::env::var(VARIABLE).ok();
            let named = named.and_then(|name| name.parse::<Self>().ok());
            let all = named.into_iter().chain(Self::ALL);
            all.into_iter()
                .find(|kernel| kernel.is_available())
                .unwrap_or(Self::Portable)
        })
    }

    /// The name in `OPSBOX_LOG_KERNEL`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Avx512 => "avx512",
            Self::Avx2 => "avx2",
            Self::Portable => "portable",
        }
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Takes a kernel's [name](Kernel::name).
impl FromStr for Kernel {
    type Err = UnknownKernel;

    fn from_str(name: &str) -> Result<Self, UnknownKernel> {
        let found = Self::ALL.into_iter().find(|kernel| kernel.name() == name);
        found.ok_or(UnknownKernel)
    }
}

/// No kernel has this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no kernel has this name; the kernels are avx512, avx2 and portable")]
#[non_exhaustive]
pub struct UnknownKernel;

/// A kernel that this processor can run: the proof that `run` needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chosen(Kernel);

impl Chosen {
    /// The kernel, or if it is not available here the best one.
    pub(crate) fn new(kernel: Kernel) -> Self {
        match kernel.is_available() {
            true => Self(kernel),
            false => Self(Kernel::best()),
        }
    }

    /// Whether it has vector instructions.
    pub(crate) fn is_vector(self) -> bool {
        self.0 != Kernel::Portable
    }

    pub(super) fn kernel(self) -> Kernel {
        self.0
    }
}
