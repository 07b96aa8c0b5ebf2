console.log('imports: not written yet');
