//! What the merchant set up: channels, categories, pictures, templates; and who wishes to be told of stock.

use super::Tx;
use crate::domain::{Category, ChannelName, Slug};
use crate::store::Fault;
use crate::store::codec::encode;
use crate::store::records::{CategoryV1, Channel, Template};

impl Tx<'_> {
    /// Writes a channel, or takes it away.
    pub fn put_channel(
        &mut self,
        name: &ChannelName,
        channel: Option<&Channel>,
    ) -> Result<(), Fault> {
        self.wrote = true;
        match channel {
            Some(channel) => self
                .tables
                .channels
                .write()?
                .insert(name.as_str(), encode(channel).as_slice())?,
            None => self.tables.channels.write()?.remove(name.as_str())?,
        };
        Ok(())
    }

    /// Writes a sealed wish, or takes it away.
    pub fn put_wish(
        &mut self,
        product: &Slug,
        contact: &[u8; 16],
        sealed: Option<&[u8]>,
    ) -> Result<(), Fault> {
        self.wrote = true;
        let key = (product.as_str(), contact);
        match sealed {
            Some(sealed) => self.tables.wishes.write()?.insert(key, sealed)?,
            None => self.tables.wishes.write()?.remove(key)?,
        };
        Ok(())
    }

    /// Writes a category, or takes it away.
    pub fn put_category(&mut self, slug: &Slug, category: Option<&Category>) -> Result<(), Fault> {
        self.wrote = true;
        match category {
            Some(category) => self.tables.categories.write()?.insert(
                slug.as_str(),
                encode(&CategoryV1::from(category)).as_slice(),
            )?,
            None => self.tables.categories.write()?.remove(slug.as_str())?,
        };
        Ok(())
    }

    /// Writes one width of a picture, or takes it away.
    pub fn put_picture(
        &mut self,
        id: &[u8; 16],
        width: u32,
        jpeg: Option<&[u8]>,
    ) -> Result<(), Fault> {
        self.wrote = true;
        match jpeg {
            Some(jpeg) => self.tables.pictures.write()?.insert((id, width), jpeg)?,
            None => self.tables.pictures.write()?.remove((id, width))?,
        };
        Ok(())
    }

    /// Writes the merchant's own text of a message, or takes it away.
    pub fn put_template(
        &mut self,
        kind: &str,
        language: &str,
        template: Option<&Template>,
    ) -> Result<(), Fault> {
        self.wrote = true;
        match template {
            Some(template) => self
                .tables
                .templates
                .write()?
                .insert((kind, language), encode(template).as_slice())?,
            None => self.tables.templates.write()?.remove((kind, language))?,
        };
        Ok(())
    }
}
