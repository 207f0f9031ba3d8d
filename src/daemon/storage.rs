//! S3-compatible storage, within the settings.

use crate::{
    config::Settings,
    net::{
        Client,
        s3::{Bucket, BucketError, BucketSettings, OBJECT_BYTES_MAX},
    },
};

/// The bucket that `[backup]` names, reached through the one outbound client; none where it names none.
///
/// # Errors
/// [`BucketError::Setting`] where it cannot be used.
pub fn bucket(settings: &Settings, client: Client) -> Result<Option<Bucket>, BucketError> {
    let backup = &settings.backup;
    let (Some(endpoint), Some(bucket)) = (&backup.s3_endpoint, &backup.s3_bucket) else {
        return Ok(None);
    };
    let missing = |key| BucketError::Setting {
        key,
        reason: "it is needed beside s3_endpoint",
    };
    let access_key = backup.s3_access_key.clone();
    let secret_key = backup.s3_secret_key.clone();
    let settings = BucketSettings {
        endpoint: endpoint.clone(),
        region: backup.s3_region.clone(),
        bucket: bucket.clone(),
        prefix: backup.s3_prefix.clone(),
        access_key: access_key.ok_or(missing("s3_access_key"))?,
        secret_key: secret_key.ok_or(missing("s3_secret_key"))?,
        path_style: backup.s3_path_style,
        object_bytes_max: OBJECT_BYTES_MAX,
    };
    Bucket::new(client, &settings).map(Some)
}
