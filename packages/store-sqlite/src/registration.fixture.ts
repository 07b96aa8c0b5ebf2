/** Of the rows that tests and their child processes share. */
export const REGISTRATION = '5f1c0de5';
