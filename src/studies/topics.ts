/** Outbox topics of this room; the subject is the Study Instance UID, the revision the study's. */
export const STUDY_PROJECT = 'study.project';
export const STUDY_COMPLETE = 'study.complete';
