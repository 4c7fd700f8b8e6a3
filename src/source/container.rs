//! Logs of containers where Kubernetes keeps them. `/var/log/pods/NAMESPACE_POD_UID/CONTAINER/` has a file for each run of
//! a container, `0.log`, `1.log`, …, and those that the kubelet rotated, `0.log.20261122-101500.gz`; all of them are one
//! log, whose live file is the newest run's. `/var/log/containers/` has links to the live files. Reads no content.

use std::ffi::OsStr;
use std::path::Path;
use std::time::SystemTime;

use super::rotation::{Suffix, base_of};

/// Digits and dashes of a UID; those of pods that the kubelet reads from files have no dashes.
const UID_LENGTHS: [usize; 2] = [36, 32];
/// Digits of a container's id.
const ID_LENGTH: usize = 64;

/// `NAMESPACE/POD/CONTAINER`, if a file is one of a container's by its path.
pub fn name_of(path: &Path) -> Option<String> {
    let name = path.file_name()?;
    if run_of(name).is_some() {
        let folder = path.parent()?;
        let (namespace, pod) = pod_of(folder.parent()?)?;
        return Some(format!("{namespace}/{pod}/{}", folder.file_name()?.to_str()?));
    }
    let (container, id) = name.to_str()?.strip_suffix(".log")?.rsplit_once('-')?;
    let mut parts = container.split('_');
    let (pod, namespace, container) = (parts.next()?, parts.next()?, parts.next()?);
    let plain = parts.next().is_none() && [namespace, pod, container].into_iter().all(is_dns_name);
    (plain && id.len() == ID_LENGTH && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .then(|| format!("{namespace}/{pod}/{container}"))
}

/// Whether the files in a folder are those of one container.
pub fn is_folder(folder: &Path) -> bool {
    folder.parent().and_then(pod_of).is_some()
}

/// The run whose live file has this name: 2 of `2.log`.
pub fn run_of(name: &OsStr) -> Option<u32> {
    let run = name.to_str()?.strip_suffix(".log")?;
    run.bytes().all(|byte| byte.is_ascii_digit()).then(|| run.parse().ok())?
}

/// What the name of a container's file tells of its age.
pub fn suffix_of(name: &OsStr) -> Option<Suffix> {
    let (live, suffix) = base_of(name);
    let run = run_of(&live)?;
    match suffix {
        None => Some(Suffix::Run(run, Vec::new())),
        Some(Suffix::Date(date)) => Some(Suffix::Run(run, date)),
        Some(_) => None,
    }
}

/// Orders the files of one name, the newest last: by when the pod began, then by the run.
pub fn age(path: &Path) -> (SystemTime, u32) {
    let linked = || std::fs::read_link(path).ok();
    let run = |path: &Path| path.file_name().and_then(run_of);
    let path = if run(path).is_some() { path.to_path_buf() } else { linked().unwrap_or_else(|| path.to_path_buf()) };
    let begun = path.parent().and_then(Path::parent).and_then(|pod| {
        let pod = std::fs::metadata(pod).ok()?;
        pod.created().or_else(|_| pod.modified()).ok()
    });
    (begun.unwrap_or(SystemTime::UNIX_EPOCH), run(&path).unwrap_or_default())
}

/// The namespace and the pod whose folder this is.
fn pod_of(folder: &Path) -> Option<(&str, &str)> {
    let mut parts = folder.file_name()?.to_str()?.split('_');
    let (namespace, pod, uid) = (parts.next()?, parts.next()?, parts.next()?);
    let is_uid = UID_LENGTHS.contains(&uid.len()) && uid.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit());
    (parts.next().is_none() && is_uid && is_dns_name(namespace) && is_dns_name(pod)).then_some((namespace, pod))
}

/// Whether a text is made of what names in Kubernetes are made of.
fn is_dns_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const UID: &str = "3b1e9f9e-52cf-4c4e-9a0d-0c9d1c1b7a55";

    #[test]
    fn a_containers_files_are_known_by_their_paths() {
        let id = "0123456789abcdef".repeat(4);
        for (path, name) in [
            (format!("/var/log/pods/shop_web-0_{UID}/app/0.log"), Some("shop/web-0/app")),
            (format!("/host/pods/shop_web-0_{UID}/app/12.log"), Some("shop/web-0/app")),
            (
                format!("/p/kube-system_etcd-n1.example_{}/etcd/3.log", UID.replace('-', "")),
                Some("kube-system/etcd-n1.example/etcd"),
            ),
            (format!("/var/log/containers/web-0_shop_app-sidecar-{id}.log"), Some("shop/web-0/app-sidecar")),
            (format!("/var/log/pods/shop_web-0_{UID}/app/0.log.20261122-101500.gz"), None),
            (format!("/var/log/pods/shop_web-0_{UID}/app/app.log"), None),
            (format!("/var/log/pods/web-0_{UID}/app/0.log"), None),
            ("/var/log/pods/shop_web-0_a1b2/app/0.log".into(), None),
            ("/var/log/containers/web-0_shop_app-0123.log".into(), None),
            ("/0.log".into(), None),
        ] {
            assert_eq!(name_of(Path::new(&path)).as_deref(), name, "{path}");
        }
    }

    #[test]
    fn files_of_earlier_runs_are_older_and_rotated_ones_older_than_the_last_of_their_run() {
        let names = ["0.log.20261122-101500.gz", "0.log.20261122-111500", "0.log", "2.log.20261121-000000", "2.log"];
        let suffixes = names.map(|name| suffix_of(OsStr::new(name)).unwrap());
        for pair in suffixes.windows(2) {
            assert_eq!(super::super::rotation::by_age(&pair[0], &pair[1]), Some(std::cmp::Ordering::Less), "{pair:?}");
        }
        assert_eq!(suffixes.map(|suffix| suffix.is_before_run(2)), [true, true, true, true, false]);
        assert_eq!(suffix_of(OsStr::new("app.log")), None);
    }

    proptest! {
        #[test]
        fn any_path_has_a_name_of_three_parts_or_none(path in "(/[a-z0-9_.-]{0,40}){0,4}(/[0-9]{1,12}\\.log)?", bytes: Vec<u8>) {
            use std::os::unix::ffi::OsStrExt;
            if let Some(name) = name_of(Path::new(&path)) {
                prop_assert_eq!(name.split('/').count(), 3);
            }
            let bytes = OsStr::from_bytes(&bytes);
            let _ = (name_of(Path::new(bytes)), is_folder(Path::new(bytes)), suffix_of(bytes));
        }
    }
}
