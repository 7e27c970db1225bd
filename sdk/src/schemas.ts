import type { components } from "./generated/openapi.ts";

/** Documents of the API by their names in the OpenAPI document. */
type Schemas = components["schemas"];

export type Domain = Schemas["Domain"];
export type DomainInput = Schemas["DomainInput"];
export type DomainPatch = Schemas["DomainPatch"];
export type DomainPage = Schemas["DomainList"];
export type DomainStatus = Schemas["DomainStatus"];
export type TlsSettings = Schemas["TlsSettings"];
export type TlsInput = Schemas["TlsInput"];
export type TlsPatch = Schemas["TlsPatch"];
export type Certificate = Schemas["Certificate"];
export type CertificateInput = Schemas["CertificateInput"];
export type CertificatePatch = Schemas["CertificatePatch"];
export type CertificatePage = Schemas["CertificateList"];
export type CertificateMaterialInput = Schemas["CertificateMaterialInput"];
export type CertificateStatus = Schemas["CertificateStatus"];
export type CertificateVersionList = Schemas["CertificateVersionList"];
export type TrustStore = Schemas["TrustStore"];
export type TrustStoreSummary = Schemas["TrustStoreSummary"];
export type TrustStoreInput = Schemas["TrustStoreInput"];
export type TrustStoreDocument = Schemas["TrustStoreDocument"];
export type TrustStorePage = Schemas["TrustStoreList"];
export type Change = Schemas["Change"];
export type ChangePage = Schemas["ChangeList"];
export type Edge = Schemas["Edge"];
export type EdgePage = Schemas["EdgeList"];
